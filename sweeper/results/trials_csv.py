"""Every trial of a study as a line of CSV. Pure."""

import csv
import io
from collections.abc import Sequence

from sweeper.nouns import Nouns
from sweeper.records import TrialRecord, TrialState


def trials_csv(
    records: Sequence[TrialRecord], names: Sequence[str], nouns: Nouns, known: Sequence[str]
) -> str:
    """Every trial of any state, one a line, each after the shorter trainings that it has scored;
    scores as they were measured, in full precision.

    Args:
        records: All trials.
        names: Of the parameters.
        nouns: Say what columns of parts are called.
        known: The study's parts.
    """
    parts = nouns.in_order((s for record in records for s in record.notes.accuracy), known)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    finals = any(record.final is not None for record in records)
    header = ["trial", "origin", "state", *names, "score", *map(nouns.key, parts)]
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
