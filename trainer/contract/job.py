"""The job of a trial folder: what `trial.json` asks for. No torch in here."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from trainer.contract.files import TRIAL
from trainer.contract.formats import FORMAT, checked_format
from trainer.contract.spec import TrainSpec
from trainer.contract.stages import digest

JOB_FORMAT = 1

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
    written: str | None = None  # digest of the file that it was read from; None: it was not

    @property
    def digest(self) -> str:
        """What its result says that it is of."""
        return self.written or job_digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The content of `trial.json`."""
        return {
            FORMAT: JOB_FORMAT,
            "spec": self.spec.to_json(),
            "stages": str(self.stages),
            "answers": None if self.answers is None else asdict(self.answers),
            "device": self.device,
            "controls": None if self.controls is None else list(self.controls),
            "best": self.best,
        }


def job_digest(payload: Mapping[str, Any]) -> str:
    """Hash what the content of a `trial.json` asks for, as it is written: neither a later default
    nor another place of the files makes it another job.
    """
    return digest({key: payload.get(key) for key in ("spec", "controls", "best")})


def read_job(folder: Path) -> Job:
    """Read `trial.json`.

    Raises:
        OSError, ValueError, KeyError: where it is no job; pydantic's errors are ValueErrors.
        FormatError: where a later version wrote it.
    """
    try:
        payload = json.loads((folder / TRIAL).read_text())
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    if not isinstance(payload, dict):
        raise ValueError(f"must be an object, but is a {type(payload).__name__}")
    checked_format(payload, newest=JOB_FORMAT, where=folder / TRIAL)
    return Job(
        spec=TrainSpec.model_validate(payload["spec"]),
        stages=folder / payload["stages"],
        answers=_answers_place(folder, payload.get("answers")),
        device=payload.get("device", "cpu"),
        controls=None if payload.get("controls") is None else tuple(payload["controls"]),
        best=payload.get("best"),
        written=job_digest(payload),
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
