"""Which judge a spec names."""

from trainer.contract import TrainSpec
from trainer.errors import InputError
from trainer.readers import Reader
from trainer.scoring.command_judge import CommandJudge, require_command
from trainer.scoring.judge import Judge
from trainer.scoring.loss_judge import LossJudge
from trainer.scoring.reader_judge import ReaderJudge
from trainer.tasks import Task


def open_judge(spec: TrainSpec, task: Task, reader: Reader) -> Judge:
    """Open who scores the policies of ``spec``.

    Args:
        spec: Names the judge.
        task: Where the questions come from.
        reader: Who answers where the judge asks for answers.

    Raises:
        InputError: where this judge can never score what the spec asks for.
    """
    if spec.evaluate.judge == "command":
        require_command(spec.evaluate)
        return CommandJudge(spec=spec, task=task, reader=reader)
    if spec.evaluate.judge == "validation_loss":
        return LossJudge(spec=spec, task=task, reader=reader)
    if spec.evaluate.reader == "recorded":
        _check_shots(spec, task, reader)
    return ReaderJudge(spec=spec, task=task, reader=reader)


def _check_shots(spec: TrainSpec, task: Task, reader: Reader) -> None:
    """Recorded answers are those to one number of shots."""
    steps = task.record_rollouts("validate", reader).pointers.shape[1]
    if spec.evaluate.shots != (steps,):
        raise InputError(
            f"evaluate.shots {list(spec.evaluate.shots)}: the rollouts record the answers to "
            f"{steps} shots and to no other number; write `shots: [{steps}]`"
        )
