"""What a policy, or a rule without weights, chooses for the questions of an evaluation.

Shape legend: Q questions, K candidates, S shots.
"""

import torch
from torch import Tensor

from trainer.contract import Control, EvaluateSpec
from trainer.errors import InputError
from trainer.evaluation_batch import LAID_OUT
from trainer.policy.encoding import Rows, pool_mask
from trainer.policy.policy import PointerSelector
from trainer.tasks import QuestionSet, Task


def asked_questions(task: Task, spec: EvaluateSpec) -> QuestionSet:
    """The questions that ``spec`` names: the first of a fixed random order, hence a sample; or the
    first by their ids, which follow the file.
    """
    questions = task.questions(spec.split)
    if spec.in_file_order:
        questions = questions[questions.queries.argsort(stable=True)]
    return questions[: spec.asked]


def policy_shots(policy: PointerSelector, spec: EvaluateSpec, task: Task, *, device: str) -> Tensor:
    """What a policy on ``device`` chooses for every question of ``spec``. Shape: ``(Q, S)``."""
    questions = asked_questions(task, spec)
    steps = max(spec.shots)
    return select_shots(policy, task.embeddings.to(device), questions, steps=steps)


@torch.no_grad()
def select_shots(
    policy: PointerSelector, embeddings: Tensor, questions: QuestionSet, *, steps: int
) -> Tensor:
    """One greedy roll-out a question; the first s of its shots are the choice of s shots.

    Args:
        policy: In evaluation mode.
        embeddings: On the policy's device. Shape: ``(M, D)``.
        questions: On the CPU.
        steps: Number of shots to choose.

    Returns:
        Global ids, on the CPU. Shape: ``(Q, steps)``.

    Raises:
        InputError: where a pool is smaller than ``steps``.
    """
    smallest = int(questions.pool_sizes.min())
    if smallest < steps:
        query = int(questions.queries[questions.pool_sizes.argmin()])
        raise InputError(
            f"evaluate.shots: {steps} shots cannot be chosen for query {query}, whose pool has"
            f" {smallest} candidates; ask for fewer shots or give larger pools"
        )
    rows, chosen = Rows(embeddings), []
    for begin in range(0, len(questions.queries), LAID_OUT):
        part = questions[begin : begin + LAID_OUT]
        for place, encoded in rows.encode_parts(policy, part.to(embeddings.device)):
            pointers = policy.roll_out(encoded, steps=steps).pointers[:, 0]
            chosen.append(part.pools[place].gather(1, pointers.cpu()))
    return torch.cat(chosen)


def control_shots(control: Control, spec: EvaluateSpec, task: Task) -> Tensor:
    """What "random" or "nearest" chooses for every question ("start" is a stage).

    "random" draws by one fixed seed. "nearest" takes the candidates whose embeddings are closest to
    the query's, the closest first; that makes it the strongest simple rival.

    Returns:
        Global ids. Shape: ``(Q, S)``.
    """
    questions = asked_questions(task, spec)
    steps = max(spec.shots)
    keys = _control_keys(control, questions, task)
    absent = pool_mask(questions.pool_sizes, questions.pools.shape[1])
    if absent is not None:
        keys = keys.masked_fill(~absent, -torch.inf)
    order = keys.argsort(dim=1, descending=True, stable=True)[:, :steps]
    return questions.pools.gather(1, order)


def _control_keys(control: Control, questions: QuestionSet, task: Task) -> Tensor:
    """By what a control orders the candidates, highest first. Shape: ``(Q, K)``."""
    if control == "random":
        return torch.rand(questions.pools.shape, generator=torch.Generator().manual_seed(0))
    keys = [
        torch.einsum("qd,qkd->qk", task.embeddings[queries], task.embeddings[pools])
        for queries, pools in zip(
            torch.split(questions.queries, LAID_OUT),
            torch.split(questions.pools, LAID_OUT),
            strict=True,
        )
    ]
    return torch.cat(keys)
