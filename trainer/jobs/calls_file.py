"""`calls.txt` of one trial folder: what was asked for the stage in hand, by any of its jobs.

A job that is killed has asked for answers that no line tells of yet, and that the next job finds in
the store of answers, or does not need because the stage is there. So each call of the reader is
written down under its stage as it stood when it was first made, and when it is made again it counts
as it did then: the counts of a trial that was killed are those of an undisturbed one. Once the
stage has its line the file goes. It is not synced: a power cut may lose counts, nothing else.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from torch import Tensor

from trainer.contract import CALLS, append_line
from trainer.readers import Calls

CALLS_HEAD = "format 1"  # the first line; then stage, prompts, which time, asked, store, equal

Place = tuple[str, str, int]  # stage, digest of the prompts, how often they were needed before


class CallsFile:
    """What the jobs of one folder needed for each stage that has no line yet."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / CALLS
        self._known = dict(_entries(self._path))
        self._stage: str | None = None
        self._times: Counter[tuple[str, str]] = Counter()

    def begin(self, stage: str | None) -> None:
        """Count for ``stage`` from now on; None: for none."""
        self._stage = stage

    def settle(self, prompts: Tensor, calls: Calls) -> Calls:
        """How a call counts; see `Settle`. The same call made again counts as the first time."""
        if self._stage is None:
            return calls
        asked = self._stage, _digest(prompts)
        place = (*asked, self._times[asked])
        self._times[asked] += 1
        known = self._known.get(place)
        if known is not None and known.needed == calls.needed:
            return known
        self._known[place] = calls
        fields = (*place, *astuple(calls))
        append_line(self._path, " ".join(map(str, fields)), head=CALLS_HEAD)
        return calls

    def total(self, stage: str | None = None) -> Calls:
        """What was needed for a stage, or for all, in this job and in those before it."""
        entries = self._known.items()
        return sum((calls for (of, *_), calls in entries if stage in (None, of)), Calls())

    def forget(self) -> None:
        """Remove the file: all that it counts is told elsewhere."""
        self._known.clear()
        self._times.clear()
        self._path.unlink(missing_ok=True)


def _digest(prompts: Tensor) -> str:
    hasher = hashlib.blake2b(prompts.contiguous().numpy().tobytes(), digest_size=8)
    return f"{hasher.hexdigest()}-{prompts.shape[1]}"


def _entries(path: Path) -> Iterator[tuple[Place, Calls]]:
    """The lines that are whole; whatever else stands there counts nothing."""
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    for line in lines:
        stage, _, rest = line.partition(" ")
        prompts, *numbers = rest.split(" ")
        if len(numbers) == 4 and all(number.isdecimal() for number in numbers):
            time, *counts = map(int, numbers)
            yield (stage, prompts, time), Calls(*counts)
