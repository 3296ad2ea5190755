"""A reader that knows what recorded rollouts hold and nothing else: NaN for all other shots.

Shape legend: B queries asked, G recorded rollouts of one, S shots.
"""

import torch
from torch import Tensor

from trainer.groups import batch_of
from trainer.readers import Answers, Calls, Reader
from trainer.tasks import RecordedRollouts, Task
from trainer.tasks.files import FilesTask


class RecordedReader:
    """Looks up the answers to the very shots, in their order, that a rollout recorded.

    Args:
        rollouts: With the queries sorted by global id.
        digest: Of these rollouts.
    """

    def __init__(self, rollouts: RecordedRollouts, *, digest: str) -> None:
        self.digest = f"recorded-{digest}"
        self.batch_size = 1
        self.batch_invariant = True
        self.worth_storing = False  # all that it can say lies in memory
        self.calls = Calls()  # nothing is ever asked
        self._rollouts = rollouts
        self._scores = rollouts.soft if rollouts.score is None else rollouts.score

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        """The recorded scores; NaN where these shots were not recorded for the query.

        Args:
            queries: Global ids. Shape: ``(B,)``.
            shots: Global ids in the order chosen. Shape: ``(B, S)``.
        """
        known = self._rollouts
        unknown = torch.full((len(queries),), torch.nan)
        if shots.shape[1] != known.pointers.shape[1]:
            return Answers(unknown, unknown)
        place = torch.searchsorted(known.queries, queries).clamp(max=len(known.queries) - 1)
        batch = batch_of(known.offsets, place)
        recorded = known.pools[place][:, None].expand(-1, batch.members.shape[1], -1)
        recorded = recorded.gather(2, known.pointers[batch.members])  # global ids: (B, G, S)
        equal = (recorded == shots[:, None]).all(dim=2) & batch.present
        equal &= (known.queries[place] == queries)[:, None]
        first = batch.members.gather(1, equal.int().argmax(dim=1, keepdim=True))[:, 0]
        found = equal.any(dim=1)
        return Answers(
            torch.where(found, self._scores[first], unknown),
            torch.where(found, known.gt_prob[first], unknown),
        )


def open_recorded_reader(task: Task) -> Reader:
    """Open the reader that knows what the files hold of the validation queries."""
    assert isinstance(task, FilesTask), "each task has readers of its own"
    return RecordedReader(task.known, digest=task.known_digest)
