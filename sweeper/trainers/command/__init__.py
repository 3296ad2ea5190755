"""Any program as the trainer: a command line, and what it leaves behind.

spec.py         what the study file says of it
macros.py       `${...}` in its arguments, variables and config files
configs.py      config files of its own; yaml_edit.py keeps what is not set as it was
training.py     one training: its key, its job, its command
checking.py     what is wrong with a section, and what it offers
work.py         one trial folder, from its programs to its result; __main__.py is the worker
controls.py     the first setting, run again
told.py         what a program is told: macros and variables
process.py      one program, from its start to the end of all that it has started
done.py         its steps that have ended well
exclusive.py    a path that one trial uses at a time
line_search.py  a line that ends it
epochs.py       what it tells by step
readback.py     what it says that it has used
evaluations.py  its scores by question
left.py         what a job left in its folder
by_hand.py      its programs as a person calls them
failing.py      how the work breaks off
results/        what it leaves: files, lines, reports
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import UsageError
from sweeper.outcomes import (
    TRIAL,
    Epoch,
    Left,
    Result,
    read_epochs,
    read_json,
    read_result,
)
from sweeper.problems import Where
from sweeper.refusals import Refusal
from sweeper.space import Value
from sweeper.trainers.command import checking
from sweeper.trainers.command.left import read_own
from sweeper.trainers.command.macros import is_macro
from sweeper.trainers.command.spec import KEYS, CommandSpec, to_json
from sweeper.trainers.command.training import CommandTraining
from sweeper.trainers.protocol import (
    PARAMS,
    ByHand,
    Capabilities,
    CheckReport,
    Claims,
    Costs,
    Goal,
    Needed,
    RefusedError,
    Rule,
    Section,
    Training,
)

if TYPE_CHECKING:
    from sweeper.trainers.protocol import Arrays


class CommandTrainer:
    """Keeps the protocol `Trainer`."""

    @property
    def place(self) -> Where:
        """The top of the file."""
        return ()

    @property
    def keys(self) -> Collection[str]:
        """Those of `CommandSpec`."""
        return KEYS

    def written(
        self, file: Mapping[str, object], *, metric: Mapping[str, str], names: Sequence[str]
    ) -> Section:
        """Its keys of the file, the metric, and a reference to every parameter."""
        section: dict[str, object] = {key: file[key] for key in KEYS if key in file}
        if metric:
            section["metric"] = dict(metric)
        return {**section, PARAMS: {name: f"${{{name}}}" for name in names}}

    def filled(self, section: Section, values: Mapping[str, Value]) -> Section:
        """The same with the values of the trial: its macros are replaced where it runs."""
        params = section.get(PARAMS)
        names = params if isinstance(params, Mapping) else {}
        found = {name: values[name] for name in names if name in values}
        return {**section, PARAMS: found}

    def is_own(self, name: str) -> bool:
        """Whether it is one of the macros."""
        return is_macro(name)

    def reads_all(self, section: Section) -> bool:
        """Whether all values are handed on together, or the program may ask for them."""
        return checking.reads_all(section)

    def metrics(self, section: Section) -> Mapping[str, Goal]:
        """What it says itself."""
        metric = checking.metric_of(section)
        return {metric.name: metric.goal}

    @property
    def datasets(self) -> Mapping[str, str]:
        """None that it knows."""
        return {}

    def refusals(self, section: Section) -> Sequence[Refusal]:
        """What is wrong with a section whose values are filled in."""
        return checking.section_refusals(section)

    def complaints(self, section: Section, *, prunes: bool) -> Iterable[tuple[Where, str]]:
        """What is wrong with a section as it stands in the file."""
        return checking.section_complaints(section, prunes=prunes)

    def resolved(self, section: Section) -> dict[str, object]:
        """A section that is in order, what is left at its default left out."""
        return to_json(checking.resolved(CommandSpec.model_validate(section)))

    def capabilities(self, section: Section) -> Capabilities:
        """What it offers to the study whose section this is."""
        return checking.capabilities(section)

    def training(
        self, section: Section, *, seed: int | None, repeat: int, below: Path, trusted: bool
    ) -> CommandTraining:
        """What one trial runs."""
        if not trusted and (refusals := self.refusals(section)):
            raise RefusedError(refusals)
        spec = checking.with_numbers(CommandSpec.model_validate(section))
        seeded = spec.model_copy(update={"seed": (spec.seed if seed is None else seed) + repeat})
        return CommandTraining(seeded, below)

    @property
    def fields(self) -> Sequence[str]:
        """None by name: every program has its own."""
        return ()

    def field_of(self, name: str) -> tuple[str, str] | None:
        """Every parameter is its own argument."""
        return ("", name)

    def section(self, names: Mapping[tuple[str, str], str]) -> dict[str, object]:
        """A command with a reference to each parameter."""
        arguments = [f"--{field}=${{{name}}}" for (_, field), name in names.items()]
        return {"command": ["python", "train.py", *arguments]}

    def schema(self) -> dict[str, Any]:
        """JSON Schema of its keys."""
        from sweeper.descriptions import described_schema

        found = described_schema(CommandSpec)
        found["properties"] = {key: found["properties"][key] for key in KEYS}
        del found["$defs"]["Scored"]  # stands in every study file
        return found

    def choices(self, section: Section) -> Section:
        """Its inputs."""
        return {key: section[key] for key in ("inputs",) if key in section}

    def costs(self, trainings: Sequence[Training], *, scale: float) -> Costs:
        """Every one is run from its start."""
        total = scale * sum(training.epochs for training in trainings)
        return Costs(epochs=total, epochs_alone=total, calls=0, calls_alone=0)

    def fixed_calls(self, training: Training, controls: Sequence[str], *, confirmed: int) -> int:
        """It has no reader."""
        return 0

    def warning(self, training: Training) -> str | None:
        """None."""
        return None

    def news(self, folder: Path, *, offset: int) -> tuple[Sequence[Epoch], int]:
        """Steps that a job told after byte ``offset``, and the next offset."""
        return read_epochs(folder, offset=offset)

    def left(self, folder: Path) -> Left:
        """What the folder's own job left there."""
        return read_own(folder)

    @contextmanager
    def claims(self, stages: Path) -> Iterator[Claims]:
        """No trial makes what another one needs."""
        yield _NoClaims()

    def needed(self, folder: Path, *, training: Training | None = None) -> Needed:
        """Its scores by question; its own files are where it put them."""
        result = read_result(folder)
        key = result.evaluation if isinstance(result, Result) else None
        return Needed(frozenset(), frozenset() if key is None else frozenset([key]))

    def scores(self, stages: Path, key: str | None, count: int) -> "Arrays | None":
        """Scores by question, of all that were told, whatever the count; no choices."""
        from sweeper.trainers.command import evaluations

        return evaluations.scores(stages, key)

    def control_keys(self, folder: Path) -> Mapping[str, str]:
        """Keys of the evaluations of the controls, by their names."""
        job = read_json(folder / TRIAL) or {}
        results = {name: read_result(folder / name) for name in job.get("controls") or ()}
        return {
            name: result.evaluation
            for name, result in results.items()
            if isinstance(result, Result) and result.evaluation is not None
        }

    def tensor_means(self, stages: Path, key: str) -> Mapping[str, float]:
        """What it writes is not known."""
        return {}

    def rules(self) -> Sequence[Rule]:
        """None beside those for every trainer."""
        return ()

    def texts(self, language: str) -> Mapping[str, tuple[str, str, str]]:
        """None."""
        return {}

    def check(self, training: Training, *, device: str) -> CheckReport:
        """Look whether its programs and files are there, and every macro stands for something."""
        assert isinstance(training, CommandTraining), "of this trainer"
        return checking.check(training, device=device)

    def export(self, stage: Path, folder: Path, *, form: str, verify_with: str | None) -> str:
        """It has no stages. Raises UsageError."""
        raise UsageError(
            "a program of yours keeps its own checkpoints: see `collect:`, and the trial's folder"
        )

    def by_hand(self, training: Training, *, study: str, trial: str, device: str) -> ByHand:
        """Its programs with their arguments and variables."""
        from sweeper.trainers.command.by_hand import by_hand

        assert isinstance(training, CommandTraining), "of this trainer"
        return by_hand(training, study=study, trial=trial, device=device)


class _NoClaims:
    def is_free(self, key: str) -> bool:
        """Always."""
        return True
