"""What one trial trains: the spec, checked on entry and immutable afterwards.

The spec has the same form in a study file's `trainer:` section, in `trial.json` and in the JSON
schema. It opens no files and knows no devices and no torch; a spec says what is computed, never
where.

    tasks.py    the data          phases.py    RCE and GRPO          spec.py    all together
"""

import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trainer.contract.fields import Count, Seconds, Spec, Text
from trainer.contract.phases import PhaseEntry, Reward
from trainer.contract.tasks import EasyVqaSpec, TaskSpec

QUESTIONS = 800  # unless a study says otherwise
FILES_DEFAULTS = {
    "rce": {"reward": "hard_plus_soft"},
    "grpo": {"reward": "hard_plus_soft", "rollouts": "recorded"},
}
CHECKPOINT = "{checkpoint}"  # in an evaluation's command: the file of weights to score


class PolicySpec(Spec):
    """Sizes of the pointer selector. D, the width of the embeddings, comes from the task.

    With a `start` all but the heads is read off its tensors; a size that is given must agree.
    """

    variant: Literal["static", "gated"] | None = None  # static; gated: each pick changes the query
    hidden_dim: Count | None = None  # 64 unless given; the lab's is 256 for embeddings of 512
    num_layers: Count | None = None  # 1 unless given
    num_heads: Count = 1  # of the attention

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "PolicySpec":
        width = self.hidden_dim or 64
        if width % self.num_heads:
            raise ValueError(f"hidden_dim {width} must be a multiple of num_heads {self.num_heads}")
        return self


class EvaluateSpec(Spec):
    """How a stage is scored. One greedy roll-out of max(shots) steps gives every number of shots.

    A reader answers (`easy_vqa` brings its own; `recorded` knows what the rollouts of the file
    know), or a command judges the checkpoint, or the loss on the validation queries stands for it.
    """

    shots: Annotated[tuple[Annotated[int, Field(ge=1, le=4)], ...], Field(strict=False)] = (
        1,
        2,
        3,
        4,
    )
    """Numbers of shots that are scored; a trial's score is the mean over them."""
    questions: Count = QUESTIONS  # to select the best by; fewer where there are fewer
    first: Count | None = None  # the first so many in the order of the file: no sample
    confirm: Count | None = None  # questions of the finalists; the first `questions` are among them
    holdout: Count = 800  # further questions, which confirm it; of other images
    split: Literal["select", "holdout"] = "select"  # which of the two is asked
    score: Literal["accuracy", "validation_loss"] = "accuracy"  # of the answers; or a loss, in nats
    reward: Reward = "hard_plus_soft"  # of `score: validation_loss`: one for all trials of a study
    reader: Literal["recorded"] | None = None  # the file's rollouts; else the task's own
    command: Annotated[tuple[Text, ...], Field(strict=False)] | None = None
    """An argument list; `{checkpoint}` is the file to score, also `{split} {questions} {device}`.
    It prints, or writes to `{output}`, JSON of accuracies by number of shots."""
    folder: Text | None = None
    """Where files that `command` names are looked for; that of the study file unless given."""
    timeout: Seconds | None = None
    """Of `command`, in seconds or like `90s`, `10m`, `1h30m`: one that takes longer is killed, and
    has failed. No limit unless given: nobody else knows how long a judge may take."""
    checkpoint_format: Literal["safetensors", "pt", "v2format"] = "v2format"  # of `command`
    every: Literal["last"] | Count = 1  # score every n-th epoch, and always the last of the trial
    race: bool = False  # ask a trial no more once it can no longer be the best
    remember: Literal["auto", "always", "never"] = "auto"
    """Whether answers are kept for all studies of the workspace; auto: where the reader is dear."""

    @field_validator("shots")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(a >= b for a, b in itertools.pairwise(value)):
            raise ValueError("must be increasing numbers of shots, like [1, 2, 3, 4]")
        return value

    @field_validator("command")
    @classmethod
    def _is_told_what_to_score(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and not any(CHECKPOINT in argument for argument in value):
            raise ValueError(f"needs {CHECKPOINT} in one of its arguments: the file to score")
        return value

    @model_validator(mode="after")
    def _one_judge(self) -> "EvaluateSpec":
        ways = [f"reader: {self.reader}"] if self.reader else []
        ways += ["command"] if self.command else []
        ways += ["score: validation_loss"] if self.score == "validation_loss" else []
        if len(ways) > 1:
            raise ValueError(f"{' and '.join(ways)} exclude each other; leave one")
        return self

    @model_validator(mode="after")
    def _waits_for_a_command(self) -> "EvaluateSpec":
        given = {"folder": self.folder, "timeout": self.timeout}
        named = [name for name, value in given.items() if value is not None]
        if named and self.command is None:
            raise ValueError(f"{' and '.join(named)}: of a `command`, but none is given; remove it")
        return self

    @model_validator(mode="before")
    @classmethod
    def _screen_means_questions(cls, value: Any) -> Any:
        """Take `screen: 200, confirm: 800` for 200 questions in the search, 800 for finalists."""
        if not isinstance(value, dict) or "screen" not in value:
            return value
        rest = {key: entry for key, entry in value.items() if key != "screen"}
        if "questions" in value:
            raise ValueError("questions and screen are two words for one thing; leave one")
        if "confirm" not in value:
            raise ValueError("screen needs `confirm:` beside it: the questions of the finalists")
        return {**rest, "questions": value["screen"]}

    @model_validator(mode="after")
    def _compares_with_history_alone(self) -> "EvaluateSpec":
        if self.first is None:
            return self
        given = {
            "questions (or screen)": self.questions != QUESTIONS,
            "confirm": self.confirm is not None,
            "race": self.race,
        }
        if named := [name for name, is_given in given.items() if is_given]:
            raise ValueError(
                f"first asks no sample, which {' and '.join(named)} would need; leave one of them"
            )
        if self.judge != "reader":
            raise ValueError("first says what a reader is asked, but none is asked here; remove it")
        return self

    @model_validator(mode="after")
    def _confirms_on_more(self) -> "EvaluateSpec":
        if self.confirm is not None and self.confirm <= self.questions:
            raise ValueError(
                f"confirm must be more questions than the {self.questions} of the search, "
                f"but got {self.confirm}"
            )
        return self

    @model_validator(mode="after")
    def _races_once_a_trial(self) -> "EvaluateSpec":
        if self.race and self.every != "last":
            raise ValueError(
                "race needs `every: last`: a trial is in one race, with its last epoch"
            )
        if self.race and (self.judge != "reader" or self.reader is not None):
            raise ValueError("race saves calls of a reader, but no reader is asked here; remove it")
        return self

    @property
    def judge(self) -> Literal["reader", "command", "validation_loss"]:
        """Who scores."""
        if self.score == "validation_loss":
            return "validation_loss"
        return "command" if self.command else "reader"

    @property
    def in_file_order(self) -> bool:
        """Whether the first questions of the file are asked; else of a fixed random order."""
        return self.first is not None and self.split == "select"

    @property
    def asked(self) -> int:
        """Number of questions of the split in use."""
        select = self.questions if self.first is None else self.first
        return select if self.split == "select" else self.holdout

    @property
    def no_sample(self) -> str | None:
        """A warning where the questions that select are no sample of all."""
        if self.first is None:
            return None
        return (
            f"evaluate.first: the first {self.first} questions in the order of the file are no "
            "sample: compare their scores with history, and do not take them for those of all "
            "questions"
        )

    @property
    def answers(self) -> int:
        """Reader calls of one evaluation, stages and answers known before not counted."""
        asked = self.judge == "reader" and self.reader is None  # what was recorded costs no call
        return self.asked * len(self.shots) if asked else 0

    def below(self, folder: Path) -> "EvaluateSpec":
        """The same, the files of its command looked for from ``folder`` on."""
        if self.command is None:
            return self
        return self.model_copy(update={"folder": str(folder / (self.folder or ""))})

    def only(self, count: int) -> "EvaluateSpec":
        """The same with ``count`` of the questions that select, the first of those asked."""
        select = self.model_copy(update={"split": "select"})
        field = "questions" if self.first is None else "first"
        return select.model_copy(update={field: min(count, select.asked)})

    def in_full(self) -> "EvaluateSpec":
        """How a finalist is scored: on all its questions."""
        return self.model_copy(
            update={"questions": self.confirm or self.questions, "confirm": None, "race": False}
        )


class TrainSpec(Spec):
    """All that determines what one trial trains and how it is scored."""

    task: TaskSpec = EasyVqaSpec()  # the data
    start: Text | None = None  # checkpoint to begin with, in any form; else drawn from `seed`
    policy: PolicySpec = PolicySpec()  # sizes of what is trained
    phases: Annotated[tuple[PhaseEntry, ...], Field(strict=False)]  # in order
    evaluate: EvaluateSpec = EvaluateSpec()  # how it is scored
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # of all that is random in training
    threads: Annotated[int, Field(ge=1, le=256)] = 1  # of the CPU; 1 and 2 give other bits
    tf32: bool = False  # on CUDA only: faster matrix products with 10 bits of mantissa
    bf16: bool = False  # training's forward pass in bfloat16; weights and losses stay float32

    @field_validator("phases")
    @classmethod
    def _at_least_one(cls, value: tuple[PhaseEntry, ...]) -> tuple[PhaseEntry, ...]:
        if not value:
            raise ValueError("needs at least one phase, such as `- rce: {epochs: 5}`")
        return value

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, value: Any) -> Any:
        if isinstance(value, dict) and "name" not in value:
            return {"name": "easy_vqa", **value}
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_files(cls, value: Any) -> Any:
        task = value.get("task") if isinstance(value, dict) else None
        if not isinstance(task, dict) or task.get("name") != "files":
            return value
        phases = [_with_files_defaults(entry) for entry in _maps(value.get("phases"))]
        return {**value, "phases": phases} if phases else value

    @model_validator(mode="after")
    def _fits_its_task(self) -> "TrainSpec":
        if problems := [*_of_questions(self), *_of_reader(self)]:
            raise ValueError("; ".join(problems))
        return self

    def below(self, folder: Path) -> "TrainSpec":
        """The same spec, its files looked for from ``folder`` where their paths are relative."""
        start = None if self.start is None else str(folder / self.start)
        places = {"task": self.task.below(folder), "evaluate": self.evaluate.below(folder)}
        return self.model_copy(update={**places, "start": start})

    def only(self, count: int) -> "TrainSpec":
        """The same, scored on ``count`` of the questions that select, the first of those asked."""
        return self.model_copy(update={"evaluate": self.evaluate.only(count)})

    def to_json(self) -> dict[str, Any]:
        """The spec as `trial.json` holds it; `TrainSpec.model_validate` reads it back."""
        return self.model_dump(mode="json", exclude_none=True)


def _maps(phases: Any) -> list[dict[str, Any]]:
    """The phases where each is a mapping as it should be; else none."""
    whole = isinstance(phases, list | tuple) and all(isinstance(entry, dict) for entry in phases)
    return list(phases) if whole else []


def _with_files_defaults(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        kind: {**FILES_DEFAULTS.get(kind, {}), **settings}
        if isinstance(settings, dict)
        else settings
        for kind, settings in entry.items()
    }


def _of_reader(spec: TrainSpec) -> list[str]:
    """What a task with a reader of its own, or without one, cannot be asked for."""
    name, evaluate = spec.task.name, spec.evaluate
    if spec.task.brings_reader:
        if evaluate.reader is None:
            return []
        return [f"evaluate.reader: {name} brings its own reader; remove the key"]
    problems = [
        f"phases.{index}.grpo.rollouts: sampled ones need a reader; task {name} has recorded ones"
        for index, entry in enumerate(spec.phases)
        if entry.grpo is not None and entry.grpo.rollouts == "sampled"
    ]
    if evaluate.judge == "reader" and evaluate.reader is None:
        problems.append(
            f"evaluate: task {name} brings no reader; say who scores: `score: validation_loss`, "
            "`reader: recorded` or `command: [...]`"
        )
    return problems


def _of_questions(spec: TrainSpec) -> list[str]:
    """More questions than the task has, where that is known."""
    evaluate, most = spec.evaluate, spec.task.questions_a_split
    return [
        f"evaluate.{key}: {spec.task.name} has {most} questions, but got {count}"
        for key, count in (
            ("questions", evaluate.questions),
            ("first", evaluate.first or 1),
            ("confirm", evaluate.confirm or 1),
            ("holdout", evaluate.holdout),
        )
        if most is not None and count > most
    ]
