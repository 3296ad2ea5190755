"""Every trial of a study as a line of CSV. Pure."""

import csv
import io
from collections.abc import Sequence

from sweeper.ranking import _FINAL
from sweeper.records import TrialRecord, TrialState
from sweeper.results.table import (
    _values,
)


def trials_csv(records: Sequence[TrialRecord], names: Sequence[str]) -> str:
    """Every trial of any state, one a line, each after the shorter trainings that it has scored;
    fractions in full precision.
    """
    shots = sorted({s for record in records for s in record.notes.get("accuracy", {})}, key=int)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    finals = any(_FINAL in record.notes for record in records)
    header = ["trial", "origin", "state", *names, "score", *(f"shot_{s}" for s in shots)]
    header += ["final_score", "final_spread"] if finals else []
    writer.writerow(header)
    for record in sorted(records, key=lambda record: record.order):
        values = _values(record)
        accuracy = record.notes.get("accuracy", {})
        writer.writerow(
            [
                record.name,
                record.notes.get("origin", ""),
                record.state.value,
                *(values.get(name, "") for name in names),
                "" if record.state is not TrialState.COMPLETE else repr(record.score),
                *(repr(accuracy[s]) if s in accuracy else "" for s in shots),
                *(_final_cells(record) if finals else []),
            ]
        )
    return text.getvalue()


def _final_cells(record: TrialRecord) -> list[str]:
    final = record.notes.get(_FINAL, {})
    return [repr(final[key]) if final.get(key) is not None else "" for key in ("score", "spread")]
