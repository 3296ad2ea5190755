"""The slots that a study's `resources` ask for, on this machine."""

from sweeper.errors import LauncherUnavailable
from sweeper.launchers.devices import Slot
from sweeper.launchers.local import LocalLauncher, find_slots, open_local
from sweeper.search.of_study import first_training
from sweeper.store.study_folder import StudyFolder
from sweeper.study.config import StudyConfig


def open_launcher(config: StudyConfig, folder: StudyFolder) -> LocalLauncher:
    """Open the local launcher. Raises LauncherUnavailable for a device that is not there."""
    resources = config.resources
    return open_local(
        devices=resources.devices,
        slots_per_device=resources.slots_per_device,
        threads=first_training(config).command().threads,
        min_free=resources.min_free,
        log_folder=folder.root / "workers",
    )


def slots_for(config: StudyConfig) -> tuple[Slot, ...]:
    """The slots that a run would have. Raises LauncherUnavailable for a missing device."""
    resources = config.resources
    return find_slots(
        devices=resources.devices,
        slots_per_device=resources.slots_per_device,
        threads=first_training(config).command().threads,
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
