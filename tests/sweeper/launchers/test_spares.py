import pytest

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import Gpu, GpuShare, Slot, gpu_slots
from sweeper.launchers.spares import further_slots

GPUS = [
    Gpu(index=index, uuid=f"GPU-{index}", name="H100", total=None, free=None, processes=())
    for index in range(3)
]
BUSY = "GPU 1 is in use by another driver"


def names(known: list[Slot], wanted: int, *held: GpuShare | None, gpus: int = 3) -> list[str]:
    """The names of the slots that are found; GPU 1 is busy."""
    found = further_slots(
        known,
        wanted,
        held={share for share in held if share is not None},
        gpus=GPUS[:gpus],
        refusal=lambda share: BUSY if share.index == 1 else None,
    )
    return [slot.name for slot in found]


def test_a_cpu_gives_as_many_as_are_asked_for_under_names_of_their_own() -> None:
    known = [Slot(name=f"cpu-{n}", device="cpu", environment={"A": "b"}) for n in (0, 2)]
    assert names(known, 3) == ["cpu-1", "cpu-3", "cpu-4"]
    [slot] = further_slots(known, 1, held=(), gpus=(), refusal=lambda share: None)
    assert (slot.device, slot.environment) == ("cpu", {"A": "b"})


def test_gpus_that_are_free_are_given_and_cut_as_the_others_are() -> None:
    known = list(gpu_slots(GPUS[:1], 2))
    shares = [slot.share for slot in known]
    assert names(known, 2, *shares) == ["gpu-2-0", "gpu-2-1"]
    assert names(known, 2, shares[0]) == ["gpu-2-0", "gpu-0-1.2"]  # and what was given back


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        (3, f"2 more slot\\(s\\) were asked for, but 1 can be had: {BUSY}$"),
        (1, "but 0 can be had: all GPUs that may be used are in use$"),
    ],
)
def test_fewer_than_were_asked_for_are_refused_with_the_reason(gpus: int, message: str) -> None:
    known = list(gpu_slots(GPUS[:1], 1))
    with pytest.raises(LauncherUnavailable, match=message):
        names(known, 2, known[0].share, gpus=gpus)
