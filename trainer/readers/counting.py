"""A reader whose calls count as somebody else says."""

import torch
from torch import Tensor

from trainer.readers import Answers, Calls, Reader, Settle


class CountedReader:
    """``reader``, each of its calls settled once it is made."""

    def __init__(self, reader: Reader, settle: Settle) -> None:
        self.digest = reader.digest
        self.batch_size = reader.batch_size
        self.batch_invariant = reader.batch_invariant
        self.worth_storing = reader.worth_storing
        self.calls = Calls()  # as settled
        self._reader = reader
        self._settle = settle

    def answer(self, queries: Tensor, shots: Tensor) -> Answers:
        """Answer each query with its shots; see `Reader`."""
        before = self._reader.calls
        said = self._reader.answer(queries, shots)
        prompts = torch.cat([queries[:, None], shots], dim=1).cpu()
        self.calls += self._settle(prompts, self._reader.calls - before)
        return said
