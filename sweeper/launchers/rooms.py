"""Which slots share a memory, and which of them are cleared for a job that is to have it alone.

A job that is to be alone takes the device that is empty first; until it has ended no other job
begins there. Looks at seats; starts and ends nothing.
"""

from collections.abc import Collection, Sequence

from sweeper.launchers.jobs import Room
from sweeper.launchers.seat import Seat


def room_of(seat: Seat, seats: Sequence[Seat], room: Room) -> list[Seat]:
    """All seats whose jobs share the memory of the seat's device, or of the host, its own too."""
    if room == "host":
        return list(seats)
    return [other for other in seats if _device(other) == _device(seat)]


def emptiest(
    fit: Sequence[Seat], seats: Sequence[Seat], room: Room, *, held: Collection[Seat]
) -> list[Seat]:
    """The room to be cleared: one that can be had before one that others use, with the fewest jobs.

    Args:
        fit: Where the job may run.
        seats: All of them, with those on which no job begins any more.
        room: What it is to have alone.
        held: Seats that an earlier job has alone, or waits for; none of these is taken.

    Returns:
        The seats of the room; none where each room is held in part.
    """
    rooms = [room_of(seat, seats, room) for seat in fit]
    free = [found for found in rooms if not any(seat in held for seat in found)]
    return min(free, key=_cost, default=[])


def _cost(room: Sequence[Seat]) -> tuple[bool, int]:
    return any(seat.refusal is not None for seat in room), sum(s.job is not None for s in room)


def _device(seat: Seat) -> str:
    return "host" if seat.slot.share is None else seat.slot.share.uuid
