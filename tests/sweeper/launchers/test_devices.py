import pytest
from fakes.fake_nvml import Card, Cards

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import (
    Gpu,
    Nvml,
    find_gpus,
    resolve_devices,
    usable_cores,
    visible_gpus,
)


def gpu(index: int, uuid: str) -> Gpu:
    return Gpu(index=index, uuid=uuid, name="H100", total=8, free=7, processes=())


TWO = (gpu(0, "GPU-a"), gpu(1, "GPU-b"))


def test_machine_without_a_driver_has_no_gpu() -> None:
    assert find_gpus(None) == ()


def test_gpus_are_described_in_order_of_their_index() -> None:
    nvml: Nvml = Cards([Card(pids=[7], total=9, free=1), Card(total=9, free=9)])
    assert find_gpus(nvml) == (
        Gpu(index=0, uuid="GPU-a", name="H100", total=9, free=1, processes=(7,)),
        Gpu(index=1, uuid="GPU-b", name="H100", total=9, free=9, processes=()),
    )


def test_gpu_that_does_not_answer_is_left_out() -> None:
    assert [gpu.index for gpu in find_gpus(Cards([Card(answers=False), Card()]))] == [1]


def test_memory_that_a_gpu_does_not_tell_is_unknown() -> None:
    (found,) = find_gpus(Cards([Card(tells_memory=False)]))
    assert (found.total, found.free) == (None, None)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, [0, 1]),
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("1, 0", [1, 0]),
        ("GPU-b", [1]),
        ("GPU-", [0]),
        ("1,7,0", [1]),  # CUDA stops at the first entry that is no GPU
        ("MIG-a", []),
    ],
)
def test_cuda_visible_devices_limits_what_is_used(setting: str | None, expected: list[int]) -> None:
    assert [gpu.index for gpu in visible_gpus(TWO, setting)] == expected


@pytest.mark.parametrize(
    ("cores", "threads", "expected"), [(8, 1, 8), (8, 3, 2), (8, 8, 1), (2, 4, 1)]
)
def test_cpu_has_one_slot_for_each_share_of_cores(cores: int, threads: int, expected: int) -> None:
    slots = resolve_devices("cpu", threads=threads, gpus=TWO, cores=cores)
    assert [slot.name for slot in slots] == [f"cpu-{n}" for n in range(expected)]


def test_cpu_slots_can_be_counted_by_hand() -> None:
    assert len(resolve_devices("cpu", 5, threads=1, gpus=(), cores=2)) == 5


def test_job_on_the_cpu_sees_no_gpu() -> None:
    (slot,) = resolve_devices("cpu", 1, threads=1, gpus=TWO, cores=1)
    assert (slot.device, slot.share) == ("cpu", None)
    assert slot.environment == {"CUDA_VISIBLE_DEVICES": ""}


def test_auto_is_the_cpu_only_where_there_is_no_gpu() -> None:
    kinds = [
        {slot.device for slot in resolve_devices("auto", threads=1, gpus=gpus, cores=2)}
        for gpus in ((), TWO)
    ]
    assert kinds == [{"cpu"}, {"cuda"}]


def test_gpu_slot_names_its_card_by_uuid() -> None:
    slots = resolve_devices([1], threads=4, gpus=TWO, cores=2)
    assert [(slot.name, slot.environment) for slot in slots] == [
        (
            "gpu-1",
            {
                "CUDA_VISIBLE_DEVICES": "GPU-b",
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "SWEEPER_GPU": "1",
            },
        )
    ]


def test_first_slots_are_on_different_cards() -> None:
    slots = resolve_devices("auto", 2, threads=1, gpus=TWO, cores=2)
    assert [slot.name for slot in slots] == ["gpu-0-0", "gpu-1-0", "gpu-0-1", "gpu-1-1"]


def test_gpu_named_twice_counts_once() -> None:
    assert len(resolve_devices([0, 0], threads=1, gpus=TWO, cores=2)) == 1


def test_unknown_gpus_are_refused_with_those_that_exist() -> None:
    with pytest.raises(LauncherUnavailable, match=r"asks for GPU 2, 5, .* 0 \(H100\), 1 \(H100\)"):
        resolve_devices([2, 0, 5], threads=1, gpus=TWO, cores=2)


def test_gpu_is_refused_where_there_is_none() -> None:
    with pytest.raises(LauncherUnavailable, match="are: none"):
        resolve_devices([0], threads=1, gpus=(), cores=2)


def test_this_process_may_run_somewhere() -> None:
    assert usable_cores() >= 1
