"""What a trial folder says of its job: epochs while it runs; in the end one of four things.

    metrics.jsonl   Epoch     one a line
    result.json     Result    the spec was trained and scored
                    Check     the instrument was checked: controls and probe
    failure.json    Failure   of a kind that both packages know
    waiting.json    Waiting   another job is making a stage of this one; ask again after it

Beside them a check tells of the data, `data.json`.

All of them are values: a file that breaks their rules is a `Failure` of kind BAD_RESULT, never an
exception somewhere else. Both packages import this module; it knows no policy, no reader, no torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from trainer.contract.failure_kinds import FailureKind
from trainer.contract.fields import Stored, broken_rules
from trainer.contract.files import (
    DATA,
    DATA_FORMAT,
    FAILURE,
    RESULT,
    WAITING,
    read_json,
    write_json_atomic,
)
from trainer.contract.formats import FORMAT, NoFormatError, checked_format

EPOCH_FORMAT = RESULT_FORMAT = FAILURE_FORMAT = WAITING_FORMAT = 1

SHOTS = "accuracy/shot_"  # how an epoch's metrics call the accuracy of a number of shots


Finite = Annotated[float, Field(allow_inf_nan=False)]
Number = int | Finite
Count = Annotated[int, Field(ge=0)]


class Calls(Stored):
    """Answers of the reader that were needed, by what became of them."""

    needed: Count = 0
    asked: Count = 0  # of the reader itself
    stage: Count = 0  # not even looked up: the stage had been scored before
    store: Count = 0  # known from before
    equal: Count = 0  # the same query with the same shots, further down in one batch

    def __add__(self, other: "Calls") -> "Calls":
        return Calls(**{name: getattr(self, name) + getattr(other, name) for name in CAUSES})


CAUSES = tuple(Calls.model_fields)


def total_calls(calls: Iterable[Calls]) -> Calls:
    """The sum of them."""
    return sum(calls, Calls())


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in its training an epoch stands."""

    phase_index: int
    epoch: int  # one-based, within the phase

    @property
    def start(self) -> "Place":
        """Where its phase begins; epochs of one phase have it in common."""
        return Place(self.phase_index, 0)


class Timing(Stored):
    """What of an epoch is not the same whenever the spec is run again."""

    ended: Finite  # seconds since 1970
    trained: bool = True  # whether a job of this folder trained it
    training_seconds: Finite | None = None
    evaluation_seconds: Finite | None = None
    reader_calls: Calls = Calls()


class Epoch(Stored):
    """One epoch of a training, scored or not."""

    phase: str
    phase_index: int
    epoch: Annotated[int, Field(ge=0)]
    stage: str  # key of the stage that it led to
    evaluation: str | None = None  # key of its scores; None: it was not scored
    metrics: dict[str, Number | None] = Field(default_factory=dict)
    """None stands for a number that is not finite."""
    timing: Timing

    @property
    def place(self) -> Place:
        """Where in its training it stands."""
        return Place(self.phase_index, self.epoch)

    @property
    def score(self) -> float | None:
        """Its score; None where it was not scored, or not finite."""
        return self.metrics.get("score")

    @property
    def accuracy(self) -> dict[str, float]:
        """By number of shots, as fractions."""
        found = {n.removeprefix(SHOTS): v for n, v in self.metrics.items() if n.startswith(SHOTS)}
        return {shots: value for shots, value in found.items() if value is not None}

    @property
    def calls(self) -> int:
        """Answers of the reader that it needed."""
        return int(self.metrics.get("reader_calls") or 0)

    @property
    def ended(self) -> float:
        """When; seconds since 1970."""
        return self.timing.ended

    def to_json(self) -> dict[str, Any]:
        """A line of `metrics.jsonl`."""
        return {FORMAT: EPOCH_FORMAT, **self.model_dump(mode="json")}


class RacedOut(Stored):
    """Why a trial was asked no further questions."""

    asked: Count
    questions: Count  # there were
    upper: Finite  # bound of its mean difference from the best before it, a negative fraction


class Scores(Stored):
    """What a judge said of one policy."""

    score: Finite  # in the unit of whoever judges: a fraction, a loss in nats, or another number
    accuracy: dict[str, Finite]  # by part, where the score is the mean of such; see `own.py`
    questions: Count | None = None
    known: Finite | None = None  # share of the answers that are known, in [0, 1]


class Result(Scores):
    """A spec that was trained and scored to its end, or raced out before."""

    job: str | None = None  # digest of the job that it is of; those before it was told have none
    stage: str
    evaluation: str | None = None
    phase: str | None = None
    epoch: int | None = None
    split: str | None = None
    raced_out: RacedOut | None = None
    reader_calls: Calls
    epochs_trained: Count
    environment: dict[str, str]
    reader: dict[str, bool] = Field(default_factory=dict)

    @property
    def calls(self) -> Calls:
        """Answers that it needed, by what became of them."""
        return self.reader_calls

    def to_json(self) -> dict[str, Any]:
        """The content of `result.json`."""
        return {FORMAT: RESULT_FORMAT, **self.model_dump(mode="json", exclude_none=True)}


class Reaction(Stored):
    """How an evaluation reacts to one group of tensors being perturbed: shares in [0, 1]."""

    group: str
    selections_changed: Finite
    answers_changed: Finite  # of the questions whose shots changed


class Liveness(Stored):
    """Whether what is trained reaches the scores."""

    alive: bool
    questions: Count
    groups: tuple[Reaction, ...] = Field(strict=False)


class Check(Stored):
    """The check of the instrument: policies that nobody searched for, and the probe."""

    controls: dict[str, Scores]
    liveness: Liveness
    job: str | None = None  # as of a result
    stage: str  # of the start
    ended: Finite  # seconds since 1970
    reader_calls: Calls
    epochs_trained: Count
    environment: dict[str, str]
    reader: dict[str, bool] = Field(default_factory=dict)

    @property
    def calls(self) -> Calls:
        """Answers that it needed, by what became of them."""
        return self.reader_calls

    def to_json(self) -> dict[str, Any]:
        """The content of `result.json`."""
        return {FORMAT: RESULT_FORMAT, **self.model_dump(mode="json", exclude_none=True)}


class _DataContract(Stored):
    """The form of `data.json`."""

    lines: list[str]
    warnings: list[str]
    facts: dict[str, Any] = Field(default_factory=dict)


class Failure(Stored):
    """Why there is no result."""

    kind: FailureKind
    message: str

    def to_json(self) -> dict[str, Any]:
        """The content of `failure.json`."""
        return {FORMAT: FAILURE_FORMAT, "class": self.kind.value, "message": self.message}


class Waiting(Stored):
    """A stage that another job is making."""

    stage: str

    def to_json(self) -> dict[str, Any]:
        """The content of `waiting.json`."""
        return {FORMAT: WAITING_FORMAT, "stage": self.stage}


Left = Result | Check | Failure | Waiting | None
Outcome = Result | Check | Failure | Waiting


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Write what a job came to; whoever reads sees all of it or nothing."""
    names = {Failure: FAILURE, Waiting: WAITING}
    write_json_atomic(folder / names.get(type(outcome), RESULT), outcome.to_json())


def read_left(folder: Path) -> Left:
    """What a job left in its folder; None where it has left nothing yet.

    A result outweighs all else: it is written last. A file that is no JSON object is none.

    Raises:
        FormatError: where a file was written by a later version.
    """
    for read in (read_result, read_failure, read_waiting):
        if (found := read(folder)) is not None:
            return found
    return None


def read_result(folder: Path) -> Result | Check | Failure | None:
    """The result of a folder; a Failure of kind BAD_RESULT where its rules are broken."""
    payload = _payload(folder / RESULT, newest=RESULT_FORMAT)
    if payload is None:
        return None
    model: type[Result] | type[Check] = Check if "controls" in payload else Result
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        return Failure(kind=FailureKind.BAD_RESULT, message=f"{RESULT} holds {broken_rules(error)}")


def read_failure(folder: Path) -> Failure | None:
    """Why a folder has no result, if the trainer said so."""
    payload = _payload(folder / FAILURE, newest=FAILURE_FORMAT)
    if payload is None:
        return None
    kinds = {kind.value: kind for kind in FailureKind}
    kind = kinds.get(str(payload.get("class")), FailureKind.ERROR)
    return Failure(kind=kind, message=str(payload.get("message", "")))


def read_waiting(folder: Path) -> Waiting | None:
    """The stage that a job left waiting for, if it did."""
    payload = _payload(folder / WAITING, newest=WAITING_FORMAT)
    if payload is None or not isinstance(payload.get("stage"), str):
        return None
    return Waiting(stage=payload["stage"])


def read_data(folder: Path) -> dict[str, Any] | None:
    """What a check of the instrument told of the data; None where it has told nothing, or what
    stands there is of another form.
    """
    payload = _payload(folder / DATA, newest=DATA_FORMAT)
    if payload is None:
        return None
    try:
        return _DataContract.model_validate(payload).model_dump()
    except ValidationError:
        return None


def _payload(path: Path, *, newest: int) -> dict[str, Any] | None:
    """The content of a file; None where it is missing, or damaged so that it says nothing."""
    payload = read_json(path)
    try:
        checked_format(payload or {}, newest=newest, where=path)
    except NoFormatError:
        return None
    return payload
