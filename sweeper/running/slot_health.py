"""Which slots are to be taken out, because they lose jobs that are not to blame for it. Pure."""

from collections import defaultdict
from collections.abc import Hashable, Mapping

MOST_PROVEN = 2  # jobs that ended well elsewhere; one may be chance, or was the process's alone
MOST_IN_A_ROW = 3  # jobs whose end elsewhere is not known yet


class SlotHealth:
    """What became of the jobs of each slot since one last ended well there."""

    def __init__(self) -> None:
        self._lost: dict[str, set[Hashable]] = defaultdict(set)
        self._proven: dict[str, set[Hashable]] = defaultdict(set)  # ended well elsewhere since
        self._others_do_well: set[str] = set()  # slots that lost a job before another did well

    def lost(self, slot: str, job: Hashable) -> None:
        """A job ended on the slot in a way that may be the slot's."""
        self._lost[slot].add(job)

    def did_well(self, slot: str, job: Hashable) -> None:
        """A job ended on the slot as it should, or by its own fault."""
        for jobs in (self._lost, self._proven):
            jobs.pop(slot, None)
        self._others_do_well.discard(slot)
        for other, jobs_lost in self._lost.items():
            self._others_do_well.add(other)
            if job in jobs_lost:
                self._proven[other].add(job)

    def gave_up(self, job: Hashable) -> None:
        """A job was given up: it may be the job's own fault."""
        for jobs in self._lost.values():
            jobs.discard(job)

    def sick(self) -> Mapping[str, str]:
        """Why slots are to be taken out, by their names."""
        found = {}
        for slot, jobs in self._lost.items():
            if len(self._proven[slot]) >= MOST_PROVEN:
                found[slot] = f"{MOST_PROVEN} jobs that it lost have ended well on others"
            elif len(jobs) >= MOST_IN_A_ROW and slot in self._others_do_well:
                found[slot] = f"it lost {MOST_IN_A_ROW} jobs in a row, while others do well"
        return found
