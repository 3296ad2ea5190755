"""The trial folder: the files in which sweeper and trainer meet.

    trial.json      in   the job: spec, device, where stages are
    stop            in   its existence asks the trainer to leave after the epoch in hand
    data.json       out  what the data holds, and what training and evaluation use of it; first
    metrics.jsonl   out  one line an epoch, appended while it runs
    trained.txt     out  the key of each stage that was trained for this folder, appended
    result.json     out  last; its existence means that the training finished
    failure.json    out  instead of result.json: the class of the failure and its message
    waiting.json    out  instead of both: the stage that another job is making; ask again after it
    log.txt         out  stdout and stderr

The JSON files are written whole or not at all. No torch in here.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.contract.spec import TrainSpec

TRIAL, STOP, DATA, METRICS, TRAINED, RESULT, FAILURE, WAITING, LOG = (
    "trial.json",
    "stop",
    "data.json",
    "metrics.jsonl",
    "trained.txt",
    "result.json",
    "failure.json",
    "waiting.json",
    "log.txt",
)

PROBE_QUESTIONS = 200  # of the liveness probe; four shots each, for every group of tensors

Control = Literal["random", "start", "nearest"]


@dataclass(frozen=True, slots=True)
class AnswersPlace:
    """Where the answers of a workspace are kept."""

    kind: Literal["file", "appended", "server"]  # SQLite; beside it what processes add; PostgreSQL
    where: str  # path of the SQLite file, or URL of the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What `trial.json` asks for.

    A job with ``controls``, even none of them, checks the instrument: it trains up to the start of
    the last phase, scores the controls and probes whether the evaluation reacts to what is trained.
    A job without (None) trains and scores the spec.
    """

    spec: TrainSpec
    stages: Path  # absolute, or relative to the trial folder
    answers: AnswersPlace | None = None  # a path as that of the stages; None: none are kept
    device: str = "cpu"  # "cpu" or "cuda": the slot has set CUDA_VISIBLE_DEVICES
    controls: tuple[Control, ...] | None = None
    best: str | None = None  # key of the evaluation that a race is run against

    def to_json(self) -> dict[str, Any]:
        """The content of `trial.json`."""
        return {
            "spec": self.spec.to_json(),
            "stages": str(self.stages),
            "answers": None if self.answers is None else asdict(self.answers),
            "device": self.device,
            "controls": None if self.controls is None else list(self.controls),
            "best": self.best,
        }


def read_job(folder: Path) -> Job:
    """Read `trial.json`. Raises OSError, ValueError (pydantic's included) or KeyError."""
    payload = json.loads((folder / TRIAL).read_text())
    return Job(
        spec=TrainSpec.model_validate(payload["spec"]),
        stages=folder / payload["stages"],
        answers=_answers_place(folder, payload.get("answers")),
        device=payload.get("device", "cpu"),
        controls=None if payload.get("controls") is None else tuple(payload["controls"]),
        best=payload.get("best"),
    )


def _answers_place(folder: Path, payload: Any) -> AnswersPlace | None:
    """Read the place of answers; a path alone is that of a file."""
    if payload is None:
        return None
    if isinstance(payload, str):
        payload = {"kind": "file", "where": payload}
    kinds = ("file", "appended", "server")
    if payload["kind"] not in kinds:
        raise ValueError(f"answers.kind must be one of {kinds}, but got {payload['kind']!r}")
    where = payload["where"]
    if payload["kind"] != "server":
        where = str((folder / where).resolve())  # one name for all trials of a workspace
    return AnswersPlace(payload["kind"], where)


def write_json_atomic(path: Path, payload: Mapping[str, Any]) -> None:
    """Write ``payload`` so that a reader sees the whole file or no file."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("w") as file:
        json.dump(payload, file, indent=2, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)  # atomic within one file system


def read_metrics(folder: Path, *, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read the whole lines of `metrics.jsonl` from byte ``offset``; a torn last line waits.

    Returns:
        The lines, each ``{"phase", "phase_index", "epoch", "stage", "evaluation", "metrics": {name:
        number or None}, "timing": {...}}``, and the offset after the last whole one. None stands
        for a number that is not finite; an epoch that was not scored has no `score`, and None as
        `evaluation`.
    """
    path = folder / METRICS
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()], offset + len(whole)
