"""What every judge offers: it scores the policies of one spec on one task.

    reader_judge.py    a reader answers the questions with the shots that were chosen
    command_judge.py   a command of the lab's own reads the checkpoint
    loss_judge.py      the loss on the validation queries stands for a score
    opening.py         which of them a spec names

A judge writes nothing and knows no stage store, no job and no trial folder.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from torch import Tensor

from trainer.contract import Control, TrainSpec
from trainer.policy.policy import PointerSelector
from trainer.scoring.evaluation import Evaluation
from trainer.tasks import QuestionSet, Task


class Identity(NamedTuple):
    """What scores depend on beside the policy and the spec: two fields of the environment."""

    data: str  # digest of the questions
    scorer: str  # digest of who scores; the environment calls it `reader`


class LoadedPolicy(NamedTuple):
    """A policy as it was read back from the files of its stage."""

    folder: Path
    policy: PointerSelector  # in evaluation mode, on `device`
    shots: Tensor  # what it chooses for every question. Shape: (Q, S)
    device: str


class Conditions(NamedTuple):
    """How scores come about, to be held against how the policy is trained."""

    questions: QuestionSet | None  # that shots are chosen for; None: questions of the judge's own
    shots: tuple[int, ...] | None  # numbers of shots that are scored; None: as many as in training
    scorer: str  # in words


class Judge(Protocol):
    """Who scores. Asking twice gives the same scores."""

    @property
    def spec(self) -> TrainSpec:
        """How it is asked: questions, numbers of shots."""

    @property
    def task(self) -> Task:
        """Where the questions come from."""

    @property
    def scores_shots(self) -> bool:
        """Whether a score follows from the shots alone. Then answers to the same shots are kept
        and never asked again, and a change of the weights that moves no shot cannot be seen.
        """

    def identity(self) -> Identity:
        """What changes whenever it would score the same policy otherwise."""

    def score(self, loaded: LoadedPolicy, known: Evaluation | None = None) -> Evaluation:
        """Score a policy.

        Args:
            loaded: The policy and what it has chosen.
            known: Scores of shots for the first questions, perhaps of other shots; one that scores
                shots asks for the rest alone.

        Raises:
            JudgeError: where who scores fails or says nothing that can be used.
            InputError: where this policy or these shots cannot be scored at all.
        """

    def score_control(self, control: Control, known: Evaluation | None = None) -> Evaluation | None:
        """Score "random" or "nearest", policies that nobody trained; None where it cannot."""

    def accuracy(self, evaluation: Evaluation) -> dict[str, float]:
        """Mean score by number of shots, in [0, 1]; none where a loss is the score."""

    def answers(self, evaluation: Evaluation) -> int:
        """Answers of a reader that an evaluation is made of, as asking for all would cost."""

    def conditions(self) -> Conditions:
        """How the scores come about, for people."""

    def only(self, count: int) -> "Judge":
        """The same judge, asked ``count`` of the questions that select."""
