"""A trainer without training: scores are a function of the spec. Speaks the worker's protocol.

Environment: FAKE_DEAD=1 reports a dead instrument, FAKE_SECONDS is the length of an epoch,
FAKE_CRASH=LR kills the worker at the trial with that lr, FAKE_FAIL=LR lets that trial fail,
FAKE_FULL_DISK=LR finds no space there; FAKE_TORCH is the version in the environment.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from trainer.contract import digest, write_json_atomic

ENVIRONMENT = {
    "torch": os.environ.get("FAKE_TORCH", "0"),
    "device": "cpu",
    "data": "data",
    "reader": "reader",
}


def score_of(grpo: dict[str, Any], epoch: int) -> float:
    bonus = 0.05 if grpo["freeze"] == "none" else 0.0
    return 0.5 + bonus + 0.01 * epoch - abs(grpo["lr"] - 1e-3) * 10 - grpo["kl_beta"] * 0.1


def accuracy_of(score: float) -> dict[str, float]:
    return {str(shots): score for shots in (1, 2, 3, 4)}


def check(folder: Path, job: dict[str, Any]) -> None:
    alive = os.environ.get("FAKE_DEAD") != "1"
    changed = 0.4 if alive else 0.0
    write_json_atomic(
        folder / "result.json",
        {
            "controls": {c: {"score": 0.4, "accuracy": accuracy_of(0.4)} for c in job["controls"]},
            "liveness": {
                "questions": 200,
                "alive": alive,
                "groups": [
                    {"group": "head", "selections_changed": changed, "answers_changed": changed}
                ],
            },
            "stage": "start",
            "reader_calls_asked": 0,
            "epochs_trained": 0,
            "ended": time.time(),
            "environment": ENVIRONMENT,
        },
    )


def train(folder: Path, job: dict[str, Any]) -> str:
    grpo = job["spec"]["phases"][-1]["grpo"]
    if os.environ.get("FAKE_CRASH") == repr(grpo["lr"]):
        os.kill(os.getpid(), 9)
    if os.environ.get("FAKE_FULL_DISK") == repr(grpo["lr"]):
        failure = {"class": "files", "message": "[Errno 28] No space left on device"}
        write_json_atomic(folder / "failure.json", failure)
        return "failed"
    if os.environ.get("FAKE_FAIL") == repr(grpo["lr"]):
        failure = {"class": "not_finite", "message": "grpo epoch 1, step 2: the loss is nan"}
        write_json_atomic(folder / "failure.json", failure)
        return "failed"
    lines = (folder / "metrics.jsonl").open("a")
    done = len((folder / "metrics.jsonl").read_text().splitlines())
    for epoch in range(done + 1, grpo["epochs"] + 1):
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        line = {
            "phase": "grpo",
            "phase_index": len(job["spec"]["phases"]) - 1,
            "epoch": epoch,
            "stage": "stage",
            "metrics": {"score": score_of(grpo, epoch), "loss": 1.0 / epoch},
            "timing": {"ended": time.time(), "reader_calls_asked": 0, "trained": True},
        }
        lines.write(json.dumps(line) + "\n")
        lines.flush()
        say(event="epoch", folder=str(folder))
        if epoch < grpo["epochs"] and (folder / "stop").exists():
            return "stopped"
    score = score_of(grpo, grpo["epochs"])
    write_json_atomic(
        folder / "result.json",
        {
            "score": score,
            "accuracy": accuracy_of(score),
            "questions": 800,
            "stage": digest(job["spec"]),
            "reader_calls_asked": 0,
            "epochs_trained": grpo["epochs"],
            "environment": ENVIRONMENT,
        },
    )
    return "completed"


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    say(event="ready")
    for line in sys.stdin:
        folder = Path(json.loads(line))
        job = json.loads((folder / "trial.json").read_text())
        if job["controls"] is not None:
            check(folder, job)
            status = "completed"
        else:
            status = train(folder, job)
        say(event="ended", folder=str(folder), status=status)


if __name__ == "__main__":
    main()
