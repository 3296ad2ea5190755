"""A command of the lab's own that scores a checkpoint: how it is called, and what it may answer.

Its arguments may hold `{checkpoint} {output} {split} {questions} {device}`. It prints JSON, or
writes it to `{output}`:

    {"accuracy": {"1": 0.588, ...}, "questions": 200, "scores": {"1": [0.6, 1.0, ...], ...}}

`questions` and `scores` (of each question) are optional; accuracies alone, `"shot_num=1"` for
`"1"`, and one key around all of it are understood, as the lab's inference writes them. A command
that fails, says nothing, or says no fractions is an error: an old score is never read again.
Files that it names are looked for beside the study file; it runs in the current folder.
"""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trainer.contract import Control, EvaluateSpec, TrainSpec, missing_files, placed_arguments
from trainer.errors import InputError, JudgeError
from trainer.lab.command import Ended, TookTooLongError, run_command
from trainer.lab.export import write_lab_checkpoints
from trainer.readers import Reader
from trainer.scoring.evaluation import Evaluation, accuracy_by_shots
from trainer.scoring.judge import Conditions, Identity, LoadedPolicy
from trainer.stage_store import POLICY, read_stage
from trainer.tasks import Task

SAID = 2000  # characters of a command's last words that an error repeats
SUFFIXES = {"pt": ".pt", "v2format": ".ckpt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandJudge:
    """What the spec's command says of a checkpoint; see `Judge`.

    It has questions of its own: those of the task only show how far a policy has moved.
    """

    spec: TrainSpec
    task: Task
    reader: Reader  # rewards what is sampled in training; scores nothing
    scores_shots: ClassVar[bool] = False

    def identity(self) -> Identity:
        """The task without questions that it does not ask; the reader, and the command with the
        files it names.
        """
        command = command_digest(self.spec.evaluate)
        return Identity(data=self.task.selection_digest, scorer=f"{self.reader.digest}-{command}")

    def score(self, loaded: LoadedPolicy, known: Evaluation | None = None) -> Evaluation:
        """Run the command, whatever is known."""
        scores, questions = ask_command(loaded.folder, self.spec, device=loaded.device)
        return Evaluation(loaded.shots, scores, torch.tensor(questions))

    def score_control(self, control: Control, known: Evaluation | None = None) -> Evaluation | None:
        """None: a command wants a checkpoint, and a rule has no weights."""
        return None

    def accuracy(self, evaluation: Evaluation) -> dict[str, float]:
        """As the command tells it."""
        return accuracy_by_shots(evaluation, self.spec.evaluate)

    def answers(self, evaluation: Evaluation) -> int:
        """None of the trainer's reader."""
        return 0

    def conditions(self) -> Conditions:
        """The command knows them, and nobody else."""
        return Conditions(None, self.spec.evaluate.shots, "the command's own")

    def only(self, count: int) -> "CommandJudge":
        """See `Judge`; a command without `{questions}` may not heed it."""
        return replace(self, spec=self.spec.only(count))


def ask_command(folder: Path, spec: TrainSpec, *, device: str) -> tuple[Tensor, int]:
    """Let the spec's command score the stage in ``folder``.

    Returns:
        Scores as fractions, Shape: ``(Q, C)``, or ``(1, C)`` where only means are told; and the
        number of questions, 0 where it is not told.

    Raises:
        JudgeError: where the command fails or its answer cannot be used.
        InputError: where the checkpoint's form cannot hold the policy.
    """
    evaluate = spec.evaluate
    assert evaluate.command is not None, "the judge is a command"
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "scores.json"
        values = {
            "checkpoint": str(_checkpoint(folder, spec, Path(scratch))),
            "output": str(output),
            "split": evaluate.split,
            "questions": str(evaluate.asked),
            "device": device,
        }
        command = [_filled(argument, values) for argument in _placed(evaluate)]
        ended = _run(command, evaluate.timeout)
        text = output.read_text(errors="replace") if output.exists() else ended.stdout
    try:
        return read_scores(text, evaluate, command)
    except JudgeError as error:
        said = ended.stderr.strip()[-SAID:]
        raise JudgeError(f"{error}\n{said}" if said else str(error)) from error


def require_command(evaluate: EvaluateSpec) -> None:
    """Look for the program and the scripts that a command names.

    Raises:
        InputError: that names all that are missing, and where they were looked for.
    """
    if problems := missing_files(evaluate.command or (), Path(evaluate.folder or "")):
        raise InputError(
            f"evaluate.command: {'; '.join(problems)}; write the whole path, or say in "
            "`evaluate.folder` where files of the command are"
        )


def command_digest(evaluate: EvaluateSpec) -> str:
    """Hash the arguments as they are written and the content of each that is a file: a script that
    was changed judges otherwise, one that was moved does not. What it imports is not seen. 32
    hexadecimal digits.
    """
    hasher = hashlib.sha256()
    for argument, placed in zip(evaluate.command or (), _placed(evaluate), strict=True):
        hasher.update(f"{argument}\n".encode())
        with contextlib.suppress(OSError, ValueError):  # most are no files
            hasher.update(Path(placed).read_bytes())
    return hasher.hexdigest()[:32]


def _placed(evaluate: EvaluateSpec) -> list[str]:
    return placed_arguments(evaluate.command or (), Path(evaluate.folder or ""))


def _checkpoint(folder: Path, spec: TrainSpec, scratch: Path) -> Path:
    form = spec.evaluate.checkpoint_format
    if form == "safetensors":
        return folder.absolute() / POLICY
    stage = read_stage(folder)
    written = write_lab_checkpoints(
        scratch,
        stage.tensors[POLICY],
        epoch=max(1, stage.info["epoch"]),  # the untrained start has no epoch of its own
        phase=stage.info["phase"],
        kl_beta=stage.info.get("kl_beta"),
        metrics={},
        num_heads=spec.policy.num_heads,
    )
    found: Path = next(path for path in written if path.suffix == SUFFIXES[form])
    return found


def _filled(argument: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        argument = argument.replace("{" + name + "}", value)
    return argument


def _run(command: Sequence[str], timeout: float | None) -> Ended:
    told = f"evaluate.command: {' '.join(command)}"
    try:
        ended = run_command(command, timeout=timeout)
    except TookTooLongError as error:
        raise JudgeError(
            f"{told} took longer than {timeout:g} s (`evaluate.timeout`) and was ended:\n"
            + str(error)[-SAID:]
        ) from error
    except OSError as error:
        raise JudgeError(
            f"evaluate.command: {command[0]!r} cannot be run: {error.strerror}; give a program that"
            " is on the PATH, or its whole path"
        ) from error
    if ended.code != 0:
        raise JudgeError(f"{told} {ended.how}:\n{ended.complaint[-SAID:]}")
    return ended


def read_scores(text: str, spec: EvaluateSpec, command: Sequence[str]) -> tuple[Tensor, int]:
    """Read what a command answered; see the module's form. Raises JudgeError."""

    def refuse(reason: str) -> JudgeError:
        return JudgeError(
            f"evaluate.command: {' '.join(command)}: {reason}; its answer was {text[-SAID:]!r}"
        )

    try:
        payload = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise refuse(f"the answer is not JSON ({error})") from error
    if isinstance(payload, dict) and len(payload) == 1:
        [inner] = payload.values()
        payload = inner if isinstance(inner, dict) and "accuracy" not in payload else payload
    if not isinstance(payload, dict):
        raise refuse("the answer is no JSON object")
    told = payload.get("scores") or payload.get("accuracy") or payload
    if not isinstance(told, dict):
        raise refuse("`accuracy` and `scores` must be objects with a key for each number of shots")
    columns = []
    for count in spec.shots:
        values = told.get(str(count), told.get(f"shot_num={count}"))
        column = values if isinstance(values, list) else [values]
        if not column or not all(_is_fraction(value) for value in column):
            raise refuse(f"it has no fractions in [0, 1] for {count} shot(s)")
        columns.append(column)
    if len({len(column) for column in columns}) > 1:
        raise refuse("`scores` differ in their number of questions")
    questions = payload.get("questions", len(columns[0]) if len(columns[0]) > 1 else 0)
    if type(questions) is not int or questions < 0:
        raise refuse("`questions` must be a whole number")
    return torch.tensor(columns, dtype=torch.float32).T.contiguous(), questions


def _is_fraction(value: Any) -> bool:
    return type(value) in (int, float) and 0.0 <= value <= 1.0  # NaN breaks it
