"""The fake trainer, but for the trials with an lr of 0.002: they end as FAULT says.

Each of their jobs leaves a line in the file `begun` of its folder.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.fake_trainer import say, work
from fakes.worker import daemonise

from trainer.contract import LOG, Failure, FailureKind, write_outcome

BAD = 0.002
NAN_EPOCH = (
    '{"phase": "grpo", "phase_index": 0, "epoch": 1, "stage": "s", "metrics": {"score": NaN}, '
    '"timing": {"ended": 1.0}}\n'
)
NAN_RESULT = (
    '{"score": NaN, "accuracy": {"1": NaN}, "stage": "s", "epochs_trained": 1, "environment": {}, '
    '"reader_calls": {"needed": 0, "asked": 0, "stage": 0, "store": 0, "equal": 0}}'
)
FLOOD = 2**25  # bytes, of the log and of standard output


def breaks_off(words: str) -> Callable[[Path], str]:
    def fault(folder: Path) -> str:
        with (folder / LOG).open("a") as log:
            log.write(f"Traceback (most recent call last):\n  ...\n{words}\n")
        os._exit(1)

    return fault


def exits(code: int) -> Callable[[Path], str]:
    return lambda folder: os._exit(code)


def dies(number: signal.Signals) -> Callable[[Path], str]:
    def fault(folder: Path) -> str:
        os.kill(os.getpid(), number)
        time.sleep(60.0)
        return "failed"

    return fault


def tells(kind: FailureKind) -> Callable[[Path], str]:
    def fault(folder: Path) -> str:
        write_outcome(folder, Failure(kind=kind, message="so it is"))
        return "failed"

    return fault


def writes(name: str, text: str) -> Callable[[Path], str]:
    def fault(folder: Path) -> str:
        (folder / name).write_text(text)
        return "completed"

    return fault


def hangs(folder: Path) -> str:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60.0)


def floods(folder: Path) -> str:
    with (folder / LOG).open("a") as log:
        for stream in (log, sys.stdout):
            for _ in range(FLOOD // 2**16):
                stream.write("nonsense" * 2**13)
    print()
    return work(folder)


def forks(folder: Path) -> str:
    (folder / "daemon").write_text(str(daemonise()))
    return work(folder)


FAULTS: dict[str, Callable[[Path], str]] = {
    "exits with 1": exits(1),
    "exits with 0": exits(0),
    "segmentation fault": dies(signal.SIGSEGV),
    "killed": dies(signal.SIGKILL),
    "asked to leave": dies(signal.SIGTERM),
    "CUDA out of memory": breaks_off("torch.OutOfMemoryError: CUDA out of memory. Tried to ..."),
    "MemoryError": breaks_off("MemoryError"),
    "loss is NaN": tells(FailureKind.NOT_FINITE),
    "judge fails": tells(FailureKind.JUDGE),
    "no data": tells(FailureKind.INPUT),
    "disk is full": tells(FailureKind.FILES),
    "NaN in an epoch": writes("metrics.jsonl", NAN_EPOCH),
    "NaN as a score": writes("result.json", NAN_RESULT),
    "hangs": hangs,
    "floods": floods,
    "forks": forks,
}


def bad_work(folder: Path) -> str:
    job = json.loads((folder / "trial.json").read_text())
    if job["controls"] is not None or job["spec"]["phases"][-1]["grpo"]["lr"] != BAD:
        return work(folder)
    with (folder / "begun").open("a") as file:
        file.write("\n")
    return FAULTS[os.environ["FAULT"]](folder)


if __name__ == "__main__":
    say(event="ready")
    for line in sys.stdin:
        place = Path(json.loads(line))
        say(event="ended", folder=str(place), status=bad_work(place))
