"""A program as users have it: reads arguments, prints a line an epoch, writes a JSON file, and goes
wrong on demand.

tiny_program.py --rate 0.5 --epochs 2 --out FOLDER [--how HOW]
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.5)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--how", default="well")
given = parser.parse_args()


def write(score: float, **more: object) -> None:
    given.out.mkdir(parents=True, exist_ok=True)
    content = {"eval": {"accuracy": score}, **more}
    (given.out / "metrics.json").write_text(json.dumps(content))


def leave_a_child(*, in_session: bool) -> None:
    child = subprocess.Popen(["sleep", "1000"], start_new_session=not in_session)
    (given.out / "child").write_text(str(child.pid))


given.out.mkdir(parents=True, exist_ok=True)
(given.out / "runs").open("a").write("once\n")
if given.how == "ignores SIGTERM":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if given.how in ("hangs", "ignores SIGTERM"):
    print("ready", flush=True)
    time.sleep(1000)
if given.how == "exits 3":
    sys.exit(3)
if given.how == "runs out of memory":
    sys.exit("torch.OutOfMemoryError: CUDA out of memory.")
if given.how == "is killed":
    os.kill(os.getpid(), signal.SIGKILL)
if given.how == "floods":
    block = b"a line that says nothing\n" * 4000
    for _ in range(800):
        sys.stdout.buffer.write(block)
if given.how.startswith("leaves a child"):
    leave_a_child(in_session=given.how == "leaves a child")
if given.how == "writes half":
    (given.out / "metrics.json").write_text('{"eval": {"accur')
    sys.exit(0)
if given.how == "writes nothing":
    sys.exit(0)

score = 1.0
for epoch in range(1, given.epochs + 1):
    score = score * given.rate if given.how != "diverges" else float("nan")
    print(f"epoch {epoch}: accuracy={score}", flush=True)
    if given.how == "is slow":
        time.sleep(0.3)
print(f"used rate: {given.rate if given.how != 'ignores its rate' else 0.125}")
if given.how == "names it otherwise":
    given.out.joinpath("metrics.json").write_text(json.dumps({"eval": {"acc": score}}))
else:
    write(score)
