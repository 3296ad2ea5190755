"""Hugging Face's `trainer_state.json`: the log of a training, beside its last checkpoint."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.outcome import Outcome, ResultsError
from sweeper.trainers.command.results.rows import read_json
from sweeper.trainers.command.results.series import series

NAME = "trainer_state.json"
CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def read_trainer_state(
    place: Place, pattern: str, metrics: Mapping[str, str], *, newest: bool
) -> Outcome:
    """Read metrics by the keys of `log_history`; steps are the trainer's own.

    Args:
        place: Where the program ran.
        pattern: The file, or a folder with it or with checkpoints.
        metrics: Keys by name.
        newest: Whether several files may match.

    Raises:
        ResultsError: where there is no new file, or a key is not in it.
    """
    path = _file(place, pattern, newest=newest)
    content = read_json(path)
    log = content.get("log_history") if isinstance(content, Mapping) else None
    if not isinstance(log, list) or not log:
        raise ResultsError(f"{path}: is no trainer_state.json with a `log_history`")
    rows = [(number, row) for number, row in enumerate(log, start=1) if isinstance(row, Mapping)]
    return series(path, rows, metrics, step="step", where="entry")


def _file(place: Place, pattern: str, *, newest: bool) -> Path:
    if not place.is_folder(pattern):
        return place.new_file(pattern, newest=newest)
    found: Sequence[Path] = ()
    missing: ResultsError | None = None
    for below in (f"checkpoint-*/{NAME}", NAME):  # whoever wrote it last knows most
        try:
            found = [*found, *place.new_files(f"{pattern}/{below}")]
        except ResultsError as error:
            missing = error
    if not found:
        assert missing is not None
        raise ResultsError(
            f"{missing}; the Trainer writes {NAME} with its checkpoints (`--save_strategy steps`)"
        )
    return max(found, key=_steps)


def _steps(path: Path) -> tuple[float, int]:
    """When it was written; of one moment, that of the later checkpoint."""
    found = CHECKPOINT.fullmatch(path.parent.name)
    return path.stat().st_mtime, int(found[1]) if found is not None else 0
