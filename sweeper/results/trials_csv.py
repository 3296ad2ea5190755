"""Every trial of a study as a line of CSV. Pure."""

import csv
import io
from collections.abc import Sequence

from sweeper.records import TrialRecord, TrialState
from sweeper.words import part_key


def trials_csv(records: Sequence[TrialRecord], names: Sequence[str]) -> str:
    """Every trial of any state, one a line, each after the shorter trainings that it has scored;
    fractions in full precision.
    """
    parts = sorted({s for record in records for s in record.notes.accuracy}, key=int)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    finals = any(record.final is not None for record in records)
    header = ["trial", "origin", "state", *names, "score", *map(part_key, parts)]
    header += ["final_score", "final_spread"] if finals else []
    writer.writerow(header)
    for record in sorted(records, key=lambda record: record.order):
        accuracy = record.notes.accuracy
        writer.writerow(
            [
                record.name,
                record.notes.origin,
                record.state.value,
                *(record.values.get(name, "") for name in names),
                "" if record.state is not TrialState.COMPLETE else repr(record.score),
                *(repr(accuracy[s]) if s in accuracy else "" for s in parts),
                *(_final_cells(record) if finals else []),
            ]
        )
    return text.getvalue()


def _final_cells(record: TrialRecord) -> list[str]:
    if record.final is None:
        return ["", ""]
    return ["" if n is None else repr(n) for n in (record.final.score, record.final.spread)]
