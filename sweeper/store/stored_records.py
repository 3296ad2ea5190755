"""Rows as records, and back: which note of a row, or attribute of the study, says what. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sweeper.outcomes import FORMAT, Failure, FailureKind, checked_format
from sweeper.records import Final, Notes, TrialRecord, TrialState
from sweeper.store.study_rows import Json, StudyRow

BEGUN, ENDED = "begun", "ended"
"""All notes that a row was added with, and that it was told with: Optuna takes 1-4 ms for each."""
IMPORTED = "imported"  # note of a row that is none of ours: the number of a result from elsewhere
FINALS = "finals"  # attribute of the study: what further seeds and questions gave, by trial
RUNS = "runs"  # attribute of the study: MLflow's runs of trials that got another one later
ROW_FORMAT = 1  # of a row's notes; rows of one study may differ in it
_NUMBER, _PREFIX = "trial", "prefix"  # notes of a row: our number, epochs of a shorter training


def notes_begun(record: TrialRecord) -> dict[str, object]:
    """The notes of a row when it is added."""
    place = {FORMAT: ROW_FORMAT, _NUMBER: record.number, _PREFIX: record.prefix}
    return {BEGUN: {**record.notes.to_json(), **place}}


def latest(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Of the rows of one trial the last: it was opened again with that."""
    return list({record.order: record for record in records}.values())


def record_of(row: StudyRow) -> TrialRecord:
    """Read a row. The value that Optuna keeps of a pruned trial is not a score."""
    state = TrialState.FAILED if row.state == "FAIL" else TrialState[row.state]
    single = dict(row.notes)
    begun, ended = single.pop(BEGUN, {}), single.pop(ENDED, {})
    if state is TrialState.RUNNING:  # a driver died before it was told
        ended = {}
    for part in (begun, ended):
        checked_format(part, newest=ROW_FORMAT, where=f"row {row.number} of study.db")
    notes = {**begun, **single, **ended}
    return TrialRecord(
        number=notes.pop(_NUMBER, row.number),
        prefix=notes.pop(_PREFIX, None),
        params=row.params,
        state=state,
        score=row.value if state is TrialState.COMPLETE else None,
        intermediate=row.intermediate,
        sampler_state=row.sampler_state,
        notes=Notes.model_validate_json(json.dumps(_without_none(notes))),
    )


def _without_none(notes: Mapping[str, object]) -> dict[str, object]:
    """Leave out what was written as nothing, as if it had not been written."""
    return {key: value for key, value in notes.items() if value is not None}


def finals_of(attributes: Json) -> dict[str, Final | Failure]:
    """By the trial's name."""
    return {name: _final(entry) for name, entry in attributes.get(FINALS, {}).items()}


def runs_of(attributes: Json) -> dict[str, str]:
    """By the trial's name."""
    return dict(attributes.get(RUNS, {}))


def with_later(
    records: list[TrialRecord], finals: Mapping[str, Final | Failure], runs: Mapping[str, str]
) -> list[TrialRecord]:
    """Records with what came to them after their rows had ended, which never change."""
    if runs:
        records = [r.with_run(runs[str(r.name)]) if str(r.name) in runs else r for r in records]
    return [_with_final(r, finals.get(str(r.name))) for r in records] if finals else records


def _with_final(record: TrialRecord, final: Final | Failure | None) -> TrialRecord:
    if final is None:
        return record
    if isinstance(final, Failure):
        return replace(record, final_failure=final)
    return replace(record, final=final)


def _final(entry: Mapping[str, Any]) -> Final | Failure:
    if "class" in entry:
        return Failure(kind=FailureKind(entry["class"]), message=entry["message"])
    return Final.model_validate_json(json.dumps(entry))
