"""The real trainer on the toy task: whole studies, really trained, in a second or two."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.toy_task import toy_inputs

from trainer.contract import TrainSpec
from trainer.jobs.serve import serve
from trainer.tasks import Inputs


def toy(spec: TrainSpec, device: str) -> Inputs:
    """Give every spec the toy task; its 32 questions are all there are."""
    return toy_inputs()


if __name__ == "__main__":
    serve(sys.stdin, load_inputs=toy)
