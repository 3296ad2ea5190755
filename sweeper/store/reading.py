"""What is known of a study and its trials, from the records and files that its driver left."""

import codecs
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.records import TrialRecord, TrialState
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.trial_folder import read_failure
from sweeper.study.config import StudyConfig, study_from_json
from sweeper.words import calls_text, params_text, per_cent, score_text
from trainer.contract import LOG, METRICS, RESULT, read_metrics

FOLLOW_SECONDS = 0.5
NOTES = {  # of a record -> what people call them
    "failure": "failure",
    "reason": "reason",
    "stage": "stage",
    "epochs_trained": "epochs trained",
    "run_id": "MLflow run",
}
EPOCH_METRICS = ("loss", "kl", "entropy", "validation_loss", "moved_queries")


def read_study(folder: StudyFolder) -> tuple[StudyConfig, list[TrialRecord]]:
    """The study as its driver last stored it, and its trials.

    Raises:
        UsageError: where the driver has not got so far as to store it.
    """
    with StudyStore.open(folder.database, name=folder.name) as store:
        stored = store.attributes().get("study")
        if stored is None:
            raise UsageError(f"study {folder.name!r} has not been started; run it first")
        source = Path(store.attributes().get("source", folder.root))
        return study_from_json(stored, source / folder.study_file.name), store.records()


def show_trial(folder: StudyFolder, name: str) -> str:
    """All that is known of one trial, or of the shorter training 7@2 that trial 7 has scored."""
    record = _record(folder, name)
    trial = folder.trial(record.number)
    goal = read_study(folder)[0].goal
    notes = record.notes
    source = notes.get("source")
    facts = {
        "parameters": params_text(notes.get("values", record.params)),
        "proposed": notes.get("proposed", ""),
        "origin": notes.get("origin", "") + (f" (trial {source})" if source is not None else ""),
    }
    if record.score is not None:
        shots = ", ".join(f"{s}: {per_cent(a)}" for s, a in notes.get("accuracy", {}).items())
        by_shots = f" (by shots {shots})" if shots else ""
        facts["score"] = score_text(record.score, goal) + by_shots
    facts |= {label: notes[key] for key, label in NOTES.items() if key in notes}
    if "reader_calls" in notes:
        facts["reader calls"] = calls_text(notes["reader_calls"])
    failure = read_failure(trial)
    if failure is not None and "reason" not in notes:
        facts["last error"] = f"{failure.get('class')}: {failure.get('message')}"
    lines = [f"trial {name} of {folder.name}: {_state_text(record, folder)}"]
    lines += [f"  {label:<14}  {fact}" for label, fact in facts.items()]
    lines += ["  epochs", *(list(_epoch_lines(trial, goal)) or ["    none yet"])]
    return "\n".join([*lines, f"  files           {trial}"])


def _state_text(record: TrialRecord, folder: StudyFolder) -> str:
    if record.state is TrialState.RUNNING and not folder.is_locked():
        return "interrupted; `sweeper run` with the study file goes on"
    return record.state.value


def _epoch_lines(trial: Path, goal: str) -> Iterator[str]:
    try:
        epochs = read_metrics(trial)[0]
    except ValueError as error:
        yield f"    {METRICS} is damaged: {error}"
        return
    for line in epochs:
        metrics = line["metrics"]
        score = _epoch_score(metrics, goal)
        numbers = [
            f"{name} {metrics[name]:.4g}" for name in EPOCH_METRICS if metrics.get(name) is not None
        ]
        yield "  ".join([f"    {line['phase']} {line['epoch']}: {score}", *numbers])


def _epoch_score(metrics: Mapping[str, Any], goal: str) -> str:
    if "score" not in metrics:
        return "not scored"
    score = metrics["score"]
    return "score " + ("not finite" if score is None else score_text(score, goal))


def log_lines(
    folder: StudyFolder,
    number: int,
    *,
    follow: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """The trial's `log.txt`; with ``follow`` also what is added, until trial or driver ends.

    Raises:
        UsageError: where there is no such trial, or it has written nothing and nothing will come.
    """
    trial = folder.trial(number)
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    position = 0
    while True:
        # looked up before reading: what is written until then belongs to the log
        at_work = follow and not (trial / RESULT).exists() and folder.is_locked()
        content = _read_from(trial / LOG, position)
        if content is None and not at_work:
            record = _record(folder, str(number))
            raise UsageError(
                f"trial {number} ({record.state.value}) has written no log: {trial / LOG}"
            )
        position += len(content or b"")
        if text := decode(content or b"", final=not at_work):
            yield text
        if not at_work:
            return
        sleep(FOLLOW_SECONDS)


def _read_from(path: Path, position: int) -> bytes | None:
    """What a file holds from a byte on; None where there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return None


def _record(folder: StudyFolder, name: str) -> TrialRecord:
    records = {str(record.name): record for record in read_study(folder)[1]}
    if name not in records:
        last = max((record.number for record in records.values()), default=-1)
        known = f"trials 0 to {last}" if records else "no trial yet"
        raise UsageError(f"study {folder.name!r} has no trial {name}; it has {known}")
    return records[name]
