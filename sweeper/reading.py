"""What is known of a study and its trials, from the records and files that its driver left."""

import time
from collections.abc import Iterator
from pathlib import Path

from sweeper.config import StudyConfig, study_from_json
from sweeper.errors import UsageError
from sweeper.ranking import params_text, per_cent
from sweeper.records import TrialRecord
from sweeper.study_store import StudyStore
from sweeper.workspace import StudyFolder, read_failure
from trainer.contract import LOG, read_metrics

FOLLOW_SECONDS = 0.5


def read_study(folder: StudyFolder) -> tuple[StudyConfig, list[TrialRecord]]:
    """The study as its driver last stored it, and its trials.

    Raises:
        UsageError: where the driver has not got so far as to store it.
    """
    with StudyStore.open(folder.database, name=folder.name) as store:
        stored = store.attributes().get("study")
        if stored is None:
            raise UsageError(f"study {folder.name!r} has not been started; run it first")
        return study_from_json(stored, folder.study_file), store.records()


def show_trial(folder: StudyFolder, number: int) -> str:
    """All that is known of one trial."""
    record = _record(folder, number)
    notes = record.notes
    lines = [
        f"trial {number} of {folder.name}: {record.state.value}",
        f"  parameters  {params_text(notes.get('values', record.params))}",
        f"  proposed    {notes.get('proposed', '')}",
        f"  origin      {notes.get('origin', '')}",
    ]
    if record.score is not None:
        shots = ", ".join(f"{s}: {per_cent(a)}" for s, a in notes.get("accuracy", {}).items())
        lines.append(f"  score       {per_cent(record.score)} % (by shots {shots})")
    for key in ("failure", "reason", "stage", "epochs_trained", "reader_calls_asked", "run_id"):
        if key in notes:
            lines.append(f"  {key:<11} {notes[key]}")
    failure = read_failure(folder.trial(number))
    if failure is not None and "reason" not in notes:
        lines.append(f"  last error  {failure['class']}: {failure['message']}")
    lines += ["  epochs", *_epoch_lines(folder.trial(number))]
    lines.append(f"  files       {folder.trial(number)}")
    return "\n".join(lines)


def _epoch_lines(folder: Path) -> Iterator[str]:
    for line in read_metrics(folder)[0]:
        metrics = line["metrics"]
        numbers = "  ".join(
            f"{name} {metrics[name]:.4g}"
            for name in ("loss", "kl", "entropy", "validation_loss", "moved_queries")
            if metrics.get(name) is not None
        )
        score = per_cent(metrics["score"])
        yield f"    {line['phase']} {line['epoch']}: score {score} %  {numbers}"


def log_lines(folder: StudyFolder, number: int, *, follow: bool) -> Iterator[str]:
    """The trial's `log.txt`; with ``follow`` also what is added, while its driver is at work."""
    path = folder.trial(number) / LOG
    if not path.exists() and not follow:
        record = _record(folder, number)
        raise UsageError(f"trial {number} ({record.state.value}) has written no log yet: {path}")
    position = 0
    while True:
        at_work = follow and folder.is_locked()
        if path.exists():
            with path.open("rb") as file:
                file.seek(position)
                content = file.read()
            position += len(content)
            if content:
                yield content.decode(errors="replace")
        if not at_work:
            return
        time.sleep(FOLLOW_SECONDS)


def _record(folder: StudyFolder, number: int) -> TrialRecord:
    records = {record.number: record for record in read_study(folder)[1]}
    if number not in records:
        last = max(records, default=-1)
        known = f"trials 0 to {last}" if records else "no trial yet"
        raise UsageError(f"study {folder.name!r} has no trial {number}; it has {known}")
    return records[number]
