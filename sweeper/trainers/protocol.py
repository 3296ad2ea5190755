"""The only door to what is trained: what the sweeper asks of a trainer, and in which words.

A study's `trainer:` section belongs to its trainer. The sweeper puts a trial's values into it and
hands it over; what comes back is a `Training`. Whatever phases, policies, readers or numbers of
shots there are stays behind this door.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from sweeper.nouns import METRICS, Nouns
from sweeper.outcomes import Calls, Epoch, Left, Place
from sweeper.problems import Where
from sweeper.refusals import Refusal
from sweeper.scales import PLAIN, Scale
from sweeper.space import Value

if TYPE_CHECKING:  # importing it imports NumPy
    import numpy as np
    from numpy.typing import NDArray

    Arrays = tuple[NDArray[np.float64], NDArray[np.int64]]  # scores (Q, C), choices (Q, S)

Rule = Callable[[Any, Any], Iterable[Any]]  # evidence and its assessment to findings
Goal = Literal["maximize", "minimize"]
Section = Mapping[str, object]  # the study file's own, which the trainer alone understands
PARAMS = "params"  # key of a section that holds every parameter, used or not


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a trainer offers to one study; what it does not is never asked of it."""

    metric: str  # name of what a trial is scored by
    goal: Goal
    parts: tuple[str, ...]  # a score is the mean of so many others, each with a name; or of none
    questions: int  # that a trial answers; 0: as many as it tells
    questions_key: str  # of the study file, that says how many; empty: there are no questions
    controls: tuple[str, ...]  # policies that can be scored without a search
    asked_for: bool  # whether a control is scored only where the file names it
    holdout: bool  # whether there are questions that select nothing
    by_question: bool  # whether scores are kept question by question
    asks: bool  # whether every answer costs a call
    every_epoch: bool  # whether more than its last epoch is scored
    races: bool  # whether a trial is stopped by its distance from the best before it
    finals: bool  # whether finalists are asked further questions
    seed: int  # of a trial, where the study gives none
    scale: Scale = PLAIN  # in which scores are shown
    nouns: Nouns = METRICS  # what parts are called

    @property
    def has_questions(self) -> bool:
        """Whether a score is one of questions, of which there could be others or more."""
        return bool(self.questions_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where a job finds what others have made, and on what it runs."""

    stages: Path  # relative to the trial folder: a workspace can be moved
    answers: tuple[str, str] | None = None  # kind and place of the answers; None: none are kept
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """How a folder is worked through."""

    argv: tuple[str, ...]  # works through the folder that stands last, and ends
    worker: tuple[str, ...] | None  # takes folders on stdin, one a line, and stays
    threads: int  # CPU threads that it uses
    sparing: tuple[str, ...] = ()
    """Options of both with which it evaluates in smaller batches: less memory, the same results.
    None: it cannot."""


class Costs(NamedTuple):
    """What some trainings cost together: each epoch that two of them share is trained once."""

    epochs: float
    epochs_alone: float  # if each trained all of its own
    calls: float  # to ask at most
    calls_alone: float


class Training(Protocol):
    """What one trial trains, and how it is scored: a section with all values filled in."""

    @property
    def phases(self) -> Sequence[str]:
        """Names of its phases, in order."""

    @property
    def epochs(self) -> int:
        """Epochs of the last phase."""

    @property
    def end(self) -> Place:
        """Where it ends: the last epoch of its last phase."""

    @property
    def path(self) -> Sequence[str]:
        """Keys of all states that it leads through; trainings with equal ones share them."""

    @property
    def mildness(self) -> tuple[Any, ...]:
        """Its place among trainings that score alike; the least is the cheapest and mildest."""

    @property
    def answers(self) -> int:
        """Calls that scoring it once takes."""

    def continues(self, shorter: "Training") -> bool:
        """Whether the shorter one is passed on its way, within its last phase."""

    def beginning(self) -> "Training":
        """The part that all trials of a study have in common: up to where the last phase begins."""

    def in_full(self) -> "Training":
        """The same, scored as a finalist is."""

    def on_holdout(self) -> "Training":
        """The same, scored on the held-out questions."""

    def may_differ(self, first: "Training") -> Collection[str]:
        """Digests that may be others than those of the study's first training."""

    def to_json(self) -> dict[str, object]:
        """It all, for people and programs."""

    def job(
        self,
        where: Surroundings,
        *,
        controls: Sequence[str] | None = None,
        rival: str | None = None,
    ) -> dict[str, object]:
        """The content of `trial.json`.

        Args:
            where: Of the folder.
            controls: To check the instrument with these, in place of the training.
            rival: Key of the evaluation that a race is run against.
        """

    def command(self) -> Command:
        """How its folder is worked through."""


class Claims(Protocol):
    """Who is making which stage."""

    def is_free(self, key: str) -> bool:
        """Whether no other process is making it."""


class Trainer(Protocol):
    """One kind of trainer."""

    def metrics(self, section: Section) -> Mapping[str, Goal]:
        """What it can score trials by, and which end of each is the good one."""

    @property
    def datasets(self) -> Mapping[str, str]:
        """What trials are made of, and by which name a job's environment tells its digest."""

    @property
    def place(self) -> Where:
        """The key of the study file below which its section stands; () where the section's keys
        are the file's own.
        """

    @property
    def keys(self) -> Collection[str]:
        """Keys of the study file that it reads, besides those of every study."""

    def written(
        self, file: Mapping[str, object], *, metric: Mapping[str, str], names: Sequence[str]
    ) -> Section:
        """Its section of a study file.

        Args:
            file: All keys of the file.
            metric: What of the file's metric is given.
            names: Of the parameters.
        """

    def filled(self, section: Section, values: Mapping[str, Value]) -> Section:
        """A section with a trial's values in the place of its references."""

    def is_own(self, name: str) -> bool:
        """Whether ``${name}`` stands for something that it knows itself: no parameter is meant."""

    def reads_all(self, section: Section) -> bool:
        """Whether every parameter reaches what is trained, referred to or not."""

    def refusals(self, section: Section) -> Sequence[Refusal]:
        """What is wrong with a section whose references are filled in."""

    def complaints(self, section: Section, *, prunes: bool) -> Iterable[tuple[Where, str]]:
        """What is wrong with a section as it stands in the file, its references included.

        Args:
            section: Of the file.
            prunes: Whether trials are to be stopped by their scores on the way.
        """

    def resolved(self, section: Section) -> dict[str, object]:
        """A section that is in order with its defaults spelled out."""

    def capabilities(self, section: Section) -> Capabilities:
        """What it offers to the study whose section this is."""

    def training(
        self, section: Section, *, seed: int | None, repeat: int, below: Path, trusted: bool
    ) -> Training:
        """What one trial trains.

        Args:
            section: With its references filled in.
            seed: None: the section's.
            repeat: How often the same was spent before; each time has a seed of its own.
            below: Where relative paths begin.
            trusted: It was checked when it was stored: today's rules are not asked.

        Raises:
            RefusedError: where it breaks a rule.
        """

    @property
    def fields(self) -> Sequence[str]:
        """What people mostly search."""

    def field_of(self, name: str) -> tuple[str, str] | None:
        """The field that a parameter of another tool means; None where nobody can tell."""

    def section(self, names: Mapping[tuple[str, str], str]) -> dict[str, object]:
        """A section that refers to each parameter in its field."""

    def schema(self) -> dict[str, object]:
        """JSON Schema of the section."""

    def choices(self, section: Section) -> Section:
        """The part of a section that says which data are used: read before training starts."""

    def costs(self, trainings: Sequence[Training], *, scale: float) -> Costs:
        """What trainings cost, those that are not shared times ``scale``."""

    def fixed_calls(self, training: Training, controls: Sequence[str], *, confirmed: int) -> int:
        """Calls of the check of the instrument and of the confirmation of so many trials."""

    def warning(self, training: Training) -> str | None:
        """What people should know of how it is scored before anything is trained."""

    def news(self, folder: Path, *, offset: int) -> tuple[Sequence[Epoch], int]:
        """Epochs that a job wrote after byte ``offset``, and the next offset."""

    def left(self, folder: Path) -> Left:
        """What a job left in its folder."""

    def claims(self, stages: Path) -> AbstractContextManager[Claims]:
        """Look at who is making which stage."""

    def needed(self, folder: Path, *, training: Training | None = None) -> "Needed":
        """What a trial folder keeps alive; with ``training`` as far as that one needs."""

    def scores(self, stages: Path, key: str | None, count: int) -> "Arrays | None":
        """Scores and choices by question; None where they are not to be had."""

    def control_keys(self, folder: Path) -> Mapping[str, str]:
        """Keys of the evaluations of the controls, by their names."""

    def tensor_means(self, stages: Path, key: str) -> Mapping[str, float]:
        """Mean of each tensor of a stage; nothing where it is gone."""

    def rules(self) -> Sequence[Rule]:
        """Findings on what it alone trains."""

    def texts(self, language: str) -> Mapping[str, tuple[str, str, str]]:
        """Its findings in words, by kind: title, what was seen, what it asks for."""

    def check(self, training: Training, *, device: str) -> "CheckReport":
        """Let it load data and reader in a process of its own."""

    def export(self, stage: Path, folder: Path, *, form: str, verify_with: str | None) -> str:
        """Write a stage's weights for other programs; return what was written and proved.

        Raises:
            UsageError: where they are gone, or the form cannot hold them.
        """

    def by_hand(
        self, training: Training, *, study: str, trial: str, device: str
    ) -> "ByHand | None":
        """How a person runs the training outside of the study; None where nobody does."""


class ByHand(NamedTuple):
    """Programs that a person calls."""

    steps: Sequence[Mapping[str, object]]  # `step, cwd, env, argv` of each, in order
    script: str  # the same as lines for a shell


class Needed(NamedTuple):
    """What must not be removed while a folder is of use."""

    stages: frozenset[str]
    evaluations: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a trainer says of its data before a run."""

    problems: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()  # a line each
    writes: str = ""  # what it wrote beside the data, if anything


class RefusedError(Exception):
    """A section breaks the trainer's rules."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("; ".join(refusal.text for refusal in refusals))


__all__ = [
    "PARAMS",
    "Calls",
    "Capabilities",
    "CheckReport",
    "Claims",
    "Command",
    "Costs",
    "Goal",
    "Needed",
    "RefusedError",
    "Section",
    "Surroundings",
    "Trainer",
    "Training",
]
