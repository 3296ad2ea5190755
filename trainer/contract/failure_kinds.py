"""Why a job has no result, and whose fault that is: one list for both packages. No torch."""

from enum import Enum, StrEnum


class Fault(Enum):
    """Who has to change for the same job to end well."""

    SETTING = "setting"  # what was tried: the job would end so anywhere, at any time
    MACHINE = "machine"  # where it ran
    SERVICE = "service"  # what it depends on: data, checkpoint, judge
    PROGRAM = "program"  # a bug, of the trainer or of a library


class FailureKind(StrEnum):
    """Why a job has no result. The value is what stands in `failure.json` and in MLflow."""

    KILLED = "killed"  # by SIGKILL: the kernel's memory killer says nothing else
    PREEMPTED = "preempted"  # asked to leave by someone else than the driver
    OUT_OF_MEMORY = "out_of_memory"  # of the device
    OUT_OF_HOST_MEMORY = "out_of_host_memory"
    NOT_FINITE = "not_finite"  # a loss or a gradient left the finite numbers
    CONFIGURATION = "configuration"  # values that the trainer does not take together
    NOT_APPLIED = "not_applied"  # a program used another value than it was given
    INPUT = "input"  # data, checkpoint or reader cannot be used
    JUDGE = "judge"  # the command that scores failed, or its answer is unusable
    TIMEOUT = "timeout"  # it took longer than the study allows
    STALL = "stall"  # it gave no sign of life for longer than the study allows
    LOST = "lost"  # it ended without a word
    FILES = "files"  # a disk is full, a folder is gone
    STAGE = "stage"  # a stage on disk is damaged
    BAD_RESULT = "bad_result"  # it ended well without a result, or its files cannot be used
    ERROR = "error"  # what nobody foresaw

    @property
    def fault(self) -> Fault:
        """Whose fault it is."""
        return _FAULTS[self]

    @property
    def is_settings(self) -> bool:
        """Whether it says something about what was tried: then it is never tried again."""
        return self.fault is Fault.SETTING

    @property
    def is_slots(self) -> bool:
        """Whether another slot might do better."""
        return self in _OF_A_SLOT

    @property
    def is_memory(self) -> bool:
        """Whether it might do better where no other job takes memory, or with less of it."""
        return self in _OF_MEMORY


_FAULTS = {
    FailureKind.KILLED: Fault.MACHINE,
    FailureKind.PREEMPTED: Fault.MACHINE,
    FailureKind.OUT_OF_MEMORY: Fault.MACHINE,
    FailureKind.OUT_OF_HOST_MEMORY: Fault.MACHINE,
    FailureKind.NOT_FINITE: Fault.SETTING,
    FailureKind.CONFIGURATION: Fault.SETTING,
    FailureKind.NOT_APPLIED: Fault.SETTING,
    FailureKind.INPUT: Fault.SERVICE,
    FailureKind.JUDGE: Fault.SERVICE,
    FailureKind.TIMEOUT: Fault.MACHINE,
    FailureKind.STALL: Fault.MACHINE,
    FailureKind.LOST: Fault.MACHINE,
    FailureKind.FILES: Fault.MACHINE,
    FailureKind.STAGE: Fault.MACHINE,
    FailureKind.BAD_RESULT: Fault.PROGRAM,
    FailureKind.ERROR: Fault.PROGRAM,
}
_OF_A_SLOT = (
    FailureKind.KILLED,
    FailureKind.STALL,
    FailureKind.LOST,
    FailureKind.ERROR,
)
_OF_MEMORY = (FailureKind.OUT_OF_MEMORY, FailureKind.OUT_OF_HOST_MEMORY)
