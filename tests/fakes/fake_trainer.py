"""A trainer without training: scores are a function of the spec. Speaks the worker's protocol.

Where a spec is scored by the validation loss, a good trial has a low one.

Environment: FAKE_DEAD=1 reports a dead instrument, FAKE_SECONDS is the length of an epoch,
FAKE_CRASH=LR kills the worker at the trial with that lr, FAKE_FAIL=LR lets that trial fail,
FAKE_FULL_DISK=LR finds no space there; FAKE_TORCH is the version in the environment; FAKE_CALLS
are the reader calls of a trial; FAKE_QUESTIONS is how many questions are answered one by one, right
or wrong, and kept beside the stages; FAKE_GONE=1 trains for the held-out questions once more.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from trainer.contract import digest, write_json_atomic

NO_CALLS = {"needed": 0, "asked": 0, "stage": 0, "store": 0, "equal": 0}
DATA = {
    "lines": ["train: 640 queries"],
    "warnings": ["pools: training has 32, the evaluation 64"],
    "facts": {"queries": 640},
}


def environment_of(spec: dict[str, Any]) -> dict[str, str]:
    return {
        "torch": os.environ.get("FAKE_TORCH", "0"),
        "device": "cpu",
        "data": "data",
        "training": digest(spec["task"]),
        "start": digest(spec["start"]) if "start" in spec else "",
        "reader": "reader",
    }


def scores(spec: dict[str, Any], score: float) -> dict[str, Any]:
    """What a result says of a stage that is as good as ``score``."""
    if spec["evaluate"]["score"] == "validation_loss":
        return {"score": 5.0 - score, "accuracy": {}}
    return {"score": score, "accuracy": {str(shots): score for shots in (1, 2, 3, 4)}}


def score_of(spec: dict[str, Any], epoch: int) -> float:
    grpo = spec["phases"][-1]["grpo"]
    bonus = 0.05 if grpo["freeze"] == "none" else 0.0
    bonus += 0.003 * (spec["seed"] % 3) ** 2
    return 0.5 + bonus + 0.01 * epoch - abs(grpo["lr"] - 1e-3) * 10 - grpo["kl_beta"] * 0.1


def scored(folder: Path, job: dict[str, Any], epoch: int) -> dict[str, Any]:
    """What a result says of one epoch; its answers are written where they are counted."""
    spec = job["spec"]
    score = score_of(spec, epoch)
    questions = int(os.environ.get("FAKE_QUESTIONS", "0"))
    if not questions:
        return {**scores(spec, score), "questions": 800}
    import numpy as np
    from safetensors.numpy import save_file

    split = spec["evaluate"]["split"]
    own = np.random.default_rng(int(digest([spec["phases"][-1], epoch, split])[:8], 16))
    common = np.random.default_rng(len(split))
    luck = np.where(common.random((questions, 4)) < 0.8, common.random((questions, 4)), np.nan)
    right = np.where(np.isnan(luck), own.random((questions, 4)), luck) < score
    key = digest([spec, epoch])
    place = folder / job["stages"] / "evaluations"
    place.mkdir(exist_ok=True)
    tensors = {"scores": right.astype(np.float32), "shots": np.zeros((questions, 4), np.int64)}
    save_file(tensors, place / f"{key}.safetensors")
    means = {str(s): float(mean) for s, mean in zip((1, 2, 3, 4), right.mean(axis=0), strict=True)}
    return {
        "score": sum(means.values()) / 4,
        "accuracy": means,
        "questions": questions,
        "evaluation": key,
    }


def check(folder: Path, job: dict[str, Any]) -> None:
    spec = job["spec"]
    write_json_atomic(folder / "data.json", DATA)
    known = [c for c in job["controls"] if scores(spec, 0.4)["accuracy"] or c != "nearest"]
    alive = os.environ.get("FAKE_DEAD") != "1"
    changed = 0.4 if alive else 0.0
    write_json_atomic(
        folder / "result.json",
        {
            "controls": {control: scores(spec, 0.4) for control in known},
            "liveness": {
                "questions": 200,
                "alive": alive,
                "groups": [
                    {"group": "head", "selections_changed": changed, "answers_changed": changed}
                ],
            },
            "stage": "start",
            "reader_calls": NO_CALLS,
            "epochs_trained": 0,
            "ended": time.time(),
            "environment": environment_of(spec),
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
        told = scored(folder, job, epoch)
        line = {
            "phase": "grpo",
            "phase_index": len(job["spec"]["phases"]) - 1,
            "epoch": epoch,
            "stage": "stage",
            "evaluation": told.get("evaluation"),
            "metrics": {
                "score": told["score"],
                "loss": 1.0 / epoch,
                **{f"accuracy/shot_{s}": value for s, value in told["accuracy"].items()},
            },
            "timing": {"ended": time.time(), "reader_calls": NO_CALLS, "trained": True},
        }
        lines.write(json.dumps(line) + "\n")
        lines.flush()
        say(event="epoch", folder=str(folder))
        if epoch < grpo["epochs"] and (folder / "stop").exists():
            return "stopped"
    calls = int(os.environ.get("FAKE_CALLS", "0"))
    known = job["spec"]["evaluate"]["split"] == "holdout" and "FAKE_GONE" not in os.environ
    write_json_atomic(
        folder / "result.json",
        {
            **scored(folder, job, grpo["epochs"]),
            "stage": digest(job["spec"]),
            "reader_calls": {**NO_CALLS, "needed": calls, "asked": calls},
            "epochs_trained": 0 if known else grpo["epochs"],
            "environment": environment_of(job["spec"]),
        },
    )
    return "completed"


def work(folder: Path) -> str:
    job = json.loads((folder / "trial.json").read_text())
    if job["controls"] is None:
        return train(folder, job)
    check(folder, job)
    return "completed"


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    say(event="ready")
    for line in sys.stdin:
        folder = Path(json.loads(line))
        say(event="ended", folder=str(folder), status=work(folder))


if __name__ == "__main__":
    main()
