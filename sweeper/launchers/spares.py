"""Which further slots this machine can give to a launcher that has some. Takes none of them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from itertools import count, islice

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import Gpu, GpuShare, Slot, gpu_slots


def further_slots(
    known: Sequence[Slot],
    wanted: int,
    *,
    held: Collection[GpuShare],
    gpus: Sequence[Gpu],
    refusal: Callable[[GpuShare], str | None],
) -> tuple[Slot, ...]:
    """Find slots of the kind that there is. A card is cut as those in use are.

    Args:
        known: All that the launcher has or has had; a name of theirs is not given again.
        wanted: How many.
        held: Shares of GPUs that the launcher has, or gives back with a job that still runs.
        gpus: Those that may be used.
        refusal: Why a share cannot be leased now; None where it can.

    Raises:
        LauncherUnavailable: where there are fewer; the message says what is wrong with the others.
    """
    names = {slot.name for slot in known}
    share = known[0].share
    if share is None:
        fresh = (f"cpu-{number}" for number in count() if f"cpu-{number}" not in names)
        return tuple(replace(known[0], name=name) for name in islice(fresh, wanted))
    found: list[Slot] = []
    reasons: list[str] = []
    for slot in gpu_slots(gpus, share.shares):
        if slot.share is None or slot.share in held:
            continue
        if (reason := refusal(slot.share)) is not None:
            reasons.append(reason)
        elif len(found) < wanted:
            found.append(replace(slot, name=_fresh(slot.name, names)))
    if len(found) < wanted:
        why = "; ".join(dict.fromkeys(reasons)) or "all GPUs that may be used are in use"
        raise LauncherUnavailable(
            f"{wanted} more slot(s) were asked for, but {len(found)} can be had: {why}"
        )
    return tuple(found)


def _fresh(name: str, taken: Collection[str]) -> str:
    """The name, or the name with a number: what its former namesake lost is not to count."""
    names = (name if number == 1 else f"{name}.{number}" for number in count(1))
    return next(fresh for fresh in names if fresh not in taken)
