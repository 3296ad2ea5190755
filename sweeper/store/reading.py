"""What is known of a study and its trials, from the records and files that its driver left."""

import codecs
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sweeper.errors import UsageError
from sweeper.outcomes import LOG, RESULT, Epoch, damaged_line, read_epochs, read_failure
from sweeper.records import CALLS, TrialRecord, TrialState
from sweeper.scales import Scale
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import read_stored
from sweeper.study.config import StudyConfig, stored_study
from sweeper.words import calls_text, params_text

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
    attributes, records = read_stored(folder.database, folder.name)
    stored = attributes.get("study")
    if stored is None:
        raise UsageError(f"study {folder.name!r} has not been started; run it first")
    return stored_study(stored, folder.beginning(attributes.get("source"))), records


def show_trial(folder: StudyFolder, name: str) -> str:
    """All that is known of one trial, or of the shorter training 7@2 that trial 7 has scored."""
    config, records = read_study(folder)
    record, scale = _named(folder, records, name), config.scale
    trial = folder.trial(record.number)
    notes = record.notes
    facts: dict[str, object] = {
        "parameters": params_text(record.values),
        "proposed": notes.proposed,
        "origin": notes.origin + (f" (trial {notes.source})" if notes.source is not None else ""),
    }
    if record.score is not None:
        nouns = config.nouns
        parts = ", ".join(f"{s}: {scale.number(a)}" for s, a in notes.accuracy.items())
        by_part = f" (by {nouns.sentences['en']['list']} {parts})" if parts else ""
        facts["score"] = scale.text(record.score) + by_part
    known = notes.to_json()
    facts |= {label: known[key] for key, label in NOTES.items() if key in known}
    if notes.calls is not None and config.can.asks:
        facts[CALLS] = calls_text(notes.calls)
    failure = read_failure(trial)
    if failure is not None and not notes.reason:
        facts["last error"] = f"{failure.kind.value}: {failure.message}"
    lines = [f"trial {name} of {folder.name}: {_state_text(record, folder)}"]
    lines += [f"  {label:<14}  {fact}" for label, fact in facts.items()]
    lines += ["  epochs", *(list(_epoch_lines(trial, scale)) or ["    none yet"])]
    return "\n".join([*lines, f"  files           {trial}"])


def _state_text(record: TrialRecord, folder: StudyFolder) -> str:
    if record.state is TrialState.RUNNING and record.number in folder.asked_to_cancel():
        return "running; cancelled as soon as a driver sees that it is asked to"
    if record.state is TrialState.RUNNING and not folder.is_locked():
        return "interrupted; `sweeper run` with the study file goes on"
    return record.state.value


def _epoch_lines(trial: Path, scale: Scale) -> Iterator[str]:
    for epoch in read_epochs(trial)[0]:
        numbers = [
            f"{name} {value:.4g}"
            for name in EPOCH_METRICS
            if (value := epoch.metrics.get(name)) is not None
        ]
        yield "  ".join(
            [f"    {epoch.phase} {epoch.epoch}: {_epoch_score(epoch, scale)}", *numbers]
        )
    if damage := damaged_line(trial):
        yield f"    damaged: {damage}"


def _epoch_score(epoch: Epoch, scale: Scale) -> str:
    if "score" not in epoch.metrics:
        return "not scored"
    return "score " + ("not finite" if epoch.score is None else scale.text(epoch.score))


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
            record = _named(folder, read_study(folder)[1], str(number))
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


def _named(folder: StudyFolder, rows: Sequence[TrialRecord], name: str) -> TrialRecord:
    records = {str(record.name): record for record in rows}
    if name not in records:
        last = max((record.number for record in records.values()), default=-1)
        known = f"trials 0 to {last}" if records else "no trial yet"
        raise UsageError(f"study {folder.name!r} has no trial {name}; it has {known}")
    return records[name]
