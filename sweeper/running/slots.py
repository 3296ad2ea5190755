"""The slots that a study's `resources` ask for, on this machine."""

from collections.abc import Sequence

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import Slot
from sweeper.launchers.local import WORKER_COMMAND, LocalLauncher, find_slots, open_local
from sweeper.search.of_study import first_spec
from sweeper.store.study_folder import StudyFolder
from sweeper.study.config import StudyConfig


def open_launcher(
    config: StudyConfig, folder: StudyFolder, *, worker_command: Sequence[str] = WORKER_COMMAND
) -> LocalLauncher:
    """Open the local launcher. Raises LauncherUnavailable for a device that is not there."""
    resources = config.resources
    return open_local(
        devices=resources.devices,
        slots_per_device=resources.slots_per_device,
        threads=first_spec(config).threads,
        min_free=resources.min_free,
        log_folder=folder.root / "workers",
        worker_command=worker_command,
    )


def slots_for(config: StudyConfig) -> tuple[Slot, ...]:
    """The slots that a run would have. Raises LauncherUnavailable for a missing device."""
    resources = config.resources
    return find_slots(
        devices=resources.devices,
        slots_per_device=resources.slots_per_device,
        threads=first_spec(config).threads,
    )


def planned_slots(config: StudyConfig) -> tuple[int, str]:
    """How many trials would run at the same time, and a warning or nothing.

    A study for GPUs that are elsewhere is planned for the slots that it names.
    """
    try:
        return len(slots_for(config)), ""
    except LauncherUnavailable as error:
        resources = config.resources
        shares = 1 if resources.slots_per_device == "auto" else resources.slots_per_device
        slots = shares * len(resources.devices)
        return slots, f"{error} Planned for {slots} slot(s) on a machine that has them."
