"""How long `studies/kl_lr.yaml` takes, beside the time that its epochs themselves take.

    python benchmarks/study.py

Runs the study in a fresh workspace. The bare equivalent is the work alone: the seconds of all
epochs (training and evaluation, as the trainer measured them) divided by the slots; what is above
it is start, controls, waiting, recording and the confirmation.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sweeper.outcomes import read_epochs
from sweeper.store.workspace import Workspace

STUDY = Path(__file__).parents[1] / "studies" / "kl_lr.yaml"


def main() -> None:
    """Run the study and print one line of a table."""
    sweeper = str(Path(sys.executable).with_name("sweeper"))
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        subprocess.run([sweeper, "--workspace", name, "run", str(STUDY)], check=True)
        wall = time.perf_counter() - start
        folder = Workspace(Path(name)).study("kl_lr")
        state = folder.read_state()
        timings = [
            epoch.timing
            for number in range(state["trials"])
            for epoch in read_epochs(folder.trial(number))[0]
        ]
    work = sum((t.training_seconds or 0.0) + (t.evaluation_seconds or 0.0) for t in timings)
    trained = sum(t.trained for t in timings)
    bare = work / state["slots"]
    print(f"\n{trained} epochs trained on {state['slots']} slots")
    print("| what | sweeper | epochs alone, shared among the slots | ratio | bound |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| `kl_lr.yaml`, 32 trials | {wall:.0f} s | {bare:.0f} s | {wall / bare:.2f} | 300 s |")


if __name__ == "__main__":
    main()
