"""The real trainer on the toy task: whole studies, really trained, in a second or two."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.toy_task import ToyTask

from trainer.contract import TrainSpec
from trainer.jobs.serve import serve


def toy(spec: TrainSpec, device: str) -> ToyTask:
    """Give every spec the toy task; its 32 questions are all there are."""
    return ToyTask()


if __name__ == "__main__":
    serve(sys.stdin, load_task=toy)
