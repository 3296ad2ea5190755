"""The built-in trainer: post-training of the pointer selector. Alone imports `trainer.contract`.

fields.py      which field a parameter of another tool means
nouns.py       what people and files call a score and its parts
schema.py      what editors know of the section
section.py     rules and defaults of the `trainer:` section, and what it offers
training.py    one training: its stages, its job, its command
costs.py       epochs and reader calls, before anything is trained
mildness.py    which of two trainings is the milder
folders.py     what trial folders need of the stages, and what was answered there
processes.py   `python -m trainer check` and `export-checkpoint`
findings/      what can go wrong with its KL, its drift, its advantages
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.outcomes import Epoch, Left, read_epochs
from sweeper.problems import Where
from sweeper.references import substitute
from sweeper.refusals import Refusal
from sweeper.space import Value
from sweeper.trainers.builtin import costs, fields, processes, section
from sweeper.trainers.builtin.training import BuiltinTraining
from sweeper.trainers.protocol import (
    Capabilities,
    CheckReport,
    Costs,
    Goal,
    Needed,
    Rule,
    Section,
    Training,
)
from trainer.contract import Claims, TrainSpec, read_own

if TYPE_CHECKING:
    from sweeper.trainers.protocol import Arrays


class BuiltinTrainer:
    """Keeps the protocol `Trainer`."""

    @property
    def place(self) -> Where:
        """`trainer:`."""
        return ("trainer",)

    @property
    def keys(self) -> Collection[str]:
        """`trainer` alone."""
        return ("trainer",)

    def written(
        self, file: Mapping[str, object], *, metric: Mapping[str, str], names: Sequence[str]
    ) -> Section:
        """What stands under `trainer:`; nothing where that is no mapping."""
        found = file.get("trainer")
        return found if isinstance(found, dict) else {}

    def filled(self, section_: Section, values: Mapping[str, Value]) -> Section:
        """Each reference replaced, with the value's type where it stands alone."""
        return dict(substitute(section_, values))

    def is_own(self, name: str) -> bool:
        """Never: every reference is one to a parameter."""
        return False

    def reads_all(self, section_: Section) -> bool:
        """Never: what is not referred to goes nowhere."""
        return False

    def metrics(self, section_: Section) -> Mapping[str, Goal]:
        """Accuracy over the numbers of shots, or the loss on the validation queries."""
        return section.METRICS

    @property
    def datasets(self) -> Mapping[str, str]:
        """Questions, training data, start and reader."""
        return {"questions": "data", "training": "training", "start": "start", "reader": "reader"}

    def refusals(self, section_: Section) -> Sequence[Refusal]:
        """What is wrong with a section whose references are filled in."""
        return section.section_refusals(section_)

    def complaints(self, section_: Section, *, prunes: bool) -> Iterable[tuple[Where, str]]:
        """What is wrong with a section as it stands in the file."""
        return section.section_complaints(section_, prunes=prunes)

    def resolved(self, section_: Section) -> dict[str, object]:
        """A section that is in order with its defaults spelled out."""
        return TrainSpec.model_validate(section_).to_json()

    def capabilities(self, section_: Section) -> Capabilities:
        """What it offers to the study whose section this is."""
        return section.capabilities(section_)

    def training(
        self, section_: Section, *, seed: int | None, repeat: int, below: Path, trusted: bool
    ) -> BuiltinTraining:
        """What one trial trains."""
        return section.filled(section_, seed=seed, repeat=repeat, below=below, is_trusted=trusted)

    @property
    def fields(self) -> Sequence[str]:
        """What people mostly search."""
        return fields.SEARCHED

    def field_of(self, name: str) -> tuple[str, str] | None:
        """The field that a parameter of another tool means."""
        return fields.field_of(name)

    def section(self, names: Mapping[tuple[str, str], str]) -> dict[str, object]:
        """A section that refers to each parameter in its field."""
        return fields.section_with(names)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the section."""
        from sweeper.trainers.builtin.schema import section_schema

        return section_schema()

    def choices(self, section_: Section) -> Section:
        """Task and start checkpoint."""
        return {key: section_[key] for key in section.CHOICES if key in section_}

    def costs(self, trainings: Sequence[Training], *, scale: float) -> Costs:
        """What trainings cost, those that are not shared times ``scale``."""
        return costs.costs(_own(trainings), scale=scale)

    def fixed_calls(self, training: Training, controls: Sequence[str], *, confirmed: int) -> int:
        """Calls of the check of the instrument and of the confirmation of so many trials."""
        [own] = _own([training])
        return costs.fixed_calls(own, controls, confirmed=confirmed)

    def warning(self, training: Training) -> str | None:
        """Said where the questions are no sample."""
        [own] = _own([training])
        return own.spec.evaluate.no_sample

    def news(self, folder: Path, *, offset: int) -> tuple[Sequence[Epoch], int]:
        """Epochs that a job wrote after byte ``offset``, and the next offset."""
        return read_epochs(folder, offset=offset)

    def left(self, folder: Path) -> Left:
        """What the folder's own job left there."""
        return read_own(folder)

    @contextmanager
    def claims(self, stages: Path) -> Iterator[Claims]:
        """Look at who is making which stage."""
        with Claims(stages) as claims:
            yield claims

    def needed(self, folder: Path, *, training: Training | None = None) -> Needed:
        """What a trial folder keeps alive."""
        from sweeper.trainers.builtin import folders

        own = None if training is None else _own([training])[0]
        return folders.needed(folder, training=own)

    def scores(self, stages: Path, key: str | None, count: int) -> "Arrays | None":
        """Scores and choices by question; None where they are not to be had."""
        from sweeper.trainers.builtin import folders

        return folders.scores(stages, key, count)

    def control_keys(self, folder: Path) -> Mapping[str, str]:
        """Keys of the evaluations of the controls, by their names."""
        from sweeper.trainers.builtin import folders

        return folders.control_keys(folder)

    def tensor_means(self, stages: Path, key: str) -> Mapping[str, float]:
        """Mean of each tensor of a stage; nothing where it is gone."""
        from sweeper.trainers.builtin import folders

        return folders.tensor_means(stages, key)

    def rules(self) -> Sequence[Rule]:
        """Findings on the training of the pointer selector."""
        from sweeper.trainers.builtin.findings import RULES

        return RULES

    def texts(self, language: str) -> Mapping[str, tuple[str, str, str]]:
        """Its findings in words, by kind."""
        from sweeper.trainers.builtin.findings.texts import BY_LANGUAGE

        return BY_LANGUAGE[language]

    def check(self, training: Training, *, device: str) -> CheckReport:
        """Let it load data and reader in a process of its own."""
        [own] = _own([training])
        return processes.check(own, device=device)

    def export(self, stage: Path, folder: Path, *, form: str, verify_with: str | None) -> str:
        """Write a stage's weights for other programs; return what was written and proved."""
        return processes.export(stage, folder, form=form, verify_with=verify_with)

    def by_hand(self, training: Training, *, study: str, trial: str, device: str) -> None:
        """Nobody calls it: it works on a folder, which `--trial-dir` writes."""


def _own(trainings: Sequence[Training]) -> list[BuiltinTraining]:
    """The trainings as this trainer has made them."""
    own = [training for training in trainings if isinstance(training, BuiltinTraining)]
    assert len(own) == len(trainings), "trainings of another trainer"
    return own
