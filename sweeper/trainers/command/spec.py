"""What a study file says of a program that it runs in place of the built-in trainer."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from sweeper.outcomes import Seconds
from sweeper.space import Value
from sweeper.trainers.command.configs import ConfigFile
from sweeper.trainers.command.readback import Effective
from sweeper.trainers.command.results.spec import Pattern, Results, Sources

Text = Annotated[str, Field(min_length=1)]
Argument = str | int | float
Name = Annotated[str, Field(pattern=r"^[\w.-]+$")]


class Section(BaseModel):
    """Unknown keys are errors, `1` is neither True nor text, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _no_shell(arguments: list[Argument]) -> list[Argument]:
    if len(arguments) == 1 and isinstance(arguments[0], str) and " " in arguments[0]:
        raise ValueError(
            "must be a list of arguments, no line for a shell: write [python, train.py], "
            'or ["bash", "-c", "..."] where a shell is meant'
        )
    return arguments


Arguments = Annotated[list[Argument], Field(min_length=1), AfterValidator(_no_shell)]


class Step(Section):
    """One program of several that a trial runs, one after another."""

    name: Name  # of its log, and in messages
    command: Arguments  # the program and its arguments, each as it is: no shell reads them
    env: dict[str, Argument] = {}  # beside that of all steps
    time_limit: Seconds | None = None  # it is ended, and the trial fails, after so long


class Scored(Section):
    """What trials are scored by."""

    name: Text = "score"  # as `results` calls it
    goal: Literal["maximize", "minimize"] = "maximize"
    mean_of: list[Text] | None = None  # the metrics whose mean it is; it may then have any name
    shown: Literal["plain", "per_cent"] = "plain"  # a fraction may be shown in per cent

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that make it."""
        return tuple(self.mean_of or (self.name,))


class CommandSpec(Section):
    """Everything that a program is told, and where its results are."""

    command: Arguments | None = None
    """The program and its arguments, each as it is: no shell reads them. `"${lr}"` is a
    parameter's value, `"${args}"` alone all of them as `--name value`."""
    steps: Annotated[list[Step], Field(min_length=1)] | None = None  # in place of `command`
    env: dict[str, Argument] = {}  # variables of the environment, beside the driver's own
    env_file: Text | None = None  # of lines NAME=VALUE; `env` outweighs it
    cwd: Text = "."  # where the program runs, seen from the study file
    visible_devices: Literal["set", "leave"] = "set"
    """set: the program sees the GPU of its slot alone. leave: it sees what the driver sees, and
    finds its own in `${gpu}`."""
    cases: dict[str, dict[str, list[str]]] = {}
    """By parameter and value: the arguments that stand for it, in `${args}` and where `${name}`
    stands alone; for flags that are present or absent."""
    configs: list[ConfigFile] = []  # config files that are written for each trial
    results: Sources | None = None
    """Where its numbers are, one place or a list of them; unless given, it reports them by
    `sweeper.client`."""
    fresh: list[Text] = []  # globs of files that are removed before the program runs
    collect: list[Text] = []  # globs of files that are copied into the trial's folder afterwards
    inputs: list[Text] = []  # files whose content is part of the setting: trials name their digests
    exclusive: Text | None = None  # a path that one trial of this machine uses at a time
    effective: dict[str, Effective] = {}
    """By parameter: where the program tells the value that it has used. Another one fails the
    trial."""
    abort_if: Pattern | None = None  # a pattern: the program is ended at the first line that has it
    time_limit: Seconds | None = None  # the program is ended, and its trial fails, after so long
    epochs: int | str | None = None
    """Steps that a trial reports: a number, or `"${epochs}"`. What it reports at each may end it
    early, and is shown as a curve; unless given, every report counts."""
    threads: Annotated[int, Field(ge=1)] = 1  # of the CPU that it uses
    seed: Annotated[int, Field(ge=0)] = 0  # `${seed}`, unless the study gives several
    metric: Scored = Scored()
    params: dict[str, Value] = {}  # the study's own, by name

    @model_validator(mode="after")
    def _one_of_both(self) -> "CommandSpec":
        if (self.command is None) == (self.steps is None):
            raise ValueError("needs `command` or `steps`, one of them")
        return self

    @property
    def all_steps(self) -> list[Step]:
        """Its programs in order; `command` alone is one of them, called `run`."""
        if self.steps is not None:
            return self.steps
        assert self.command is not None, "one of both is given"
        return [Step(name="run", command=self.command, time_limit=self.time_limit)]

    @property
    def read(self) -> Results:
        """Where its numbers are."""
        return Results(tuple(self.results or ()))

    @property
    def parts(self) -> tuple[str, ...]:
        """The metrics whose mean the score is; none where it is one of them."""
        return tuple(self.metric.mean_of or ())


KEYS = tuple(name for name in CommandSpec.model_fields if name not in ("metric", "params"))


def to_json(spec: CommandSpec) -> dict[str, Any]:
    """All of it that is not left at its default, in the words of the file; what came before stays
    the same where a later version knows more.
    """
    return spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
