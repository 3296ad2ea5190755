"""The loss on recorded rollouts that nothing is trained on, in place of a score."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from trainer.contract import Control, TrainSpec
from trainer.policy.encoding import Rows
from trainer.readers import Reader
from trainer.rollouts.recorded import raw_reward
from trainer.scoring.evaluation import Evaluation, answered
from trainer.scoring.judge import Conditions, Identity, LoadedPolicy
from trainer.scoring.selection import control_shots
from trainer.scoring.validation import uniform_losses, validation_losses
from trainer.tasks import RecordedRollouts, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class LossJudge:
    """The loss on the validation queries, in nats, one for each; see `Judge`.

    The shots that a policy chooses are told, but not scored.
    """

    spec: TrainSpec
    task: Task
    reader: Reader  # who answers the recorded rollouts where no file holds them
    scores_shots: ClassVar[bool] = False

    def identity(self) -> Identity:
        """The task's questions, and whose answers the rewards are made of."""
        return Identity(data=self.task.data_digest, scorer=self.reader.digest)

    def score(self, loaded: LoadedPolicy, known: Evaluation | None = None) -> Evaluation:
        """Compute the loss anew, whatever is known."""
        rollouts = self._rollouts().to(loaded.device)
        rewards = raw_reward(rollouts, self.spec.evaluate.reward)
        rows = Rows(self.task.embeddings.to(loaded.device))
        losses = validation_losses(loaded.policy, rollouts, rows, rewards)
        return self._by_loss(loaded.shots, losses.cpu())

    def score_control(self, control: Control, known: Evaluation | None = None) -> Evaluation | None:
        """Only "random" has the probabilities that a loss is made of."""
        if control != "random":
            return None
        losses = uniform_losses(self._rollouts()).float()
        return self._by_loss(control_shots(control, self.spec.evaluate, self.task), losses)

    def accuracy(self, evaluation: Evaluation) -> dict[str, float]:
        """None: nobody answers."""
        return {}

    def answers(self, evaluation: Evaluation) -> int:
        """None: nobody answers."""
        return 0

    def conditions(self) -> Conditions:
        """The rollouts are as long as those that are trained on."""
        return Conditions(self.task.questions("select"), None, "none (loss)")

    def only(self, count: int) -> "LossJudge":
        """See `Judge`."""
        return replace(self, spec=self.spec.only(count))

    def _rollouts(self) -> RecordedRollouts:
        return self.task.record_rollouts("validate", self.reader)

    def _by_loss(self, shots: Tensor, losses: Tensor) -> Evaluation:
        """An evaluation of which a loss is the score. ``losses``: ``(B,)``, on the CPU."""
        return answered(shots, losses[: self.spec.evaluate.asked, None])
