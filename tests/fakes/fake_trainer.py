"""A trainer without training: scores are a function of the spec. Speaks the worker's protocol.

FAKE_FAIL, FAKE_FULL_DISK name the lr (or `seed 7`) of jobs that end so; FAKE_SECONDS is
the length of an epoch, FAKE_CALLS the reader calls of a trial, FAKE_TORCH the version that it
tells; FAKE_LIMIT an lr at which the process that first trains it runs short of memory for good;
FAKE_DOWN the number of the trial from which on the judge is down; FAKE_AWAY a file while which is
there the judge is down, too;
FAKE_HOLD the number of the trial from which on an epoch ends only when the job is asked to stop;
FAKE_DEAD=1 is a dead instrument; FAKE_QUESTIONS answers are kept beside the stages;
FAKE_GONE=1 trains for the held-out questions once more.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.fake_answers import keep_answers

from trainer.contract import (
    Calls,
    Check,
    Epoch,
    Failure,
    FailureKind,
    Liveness,
    Reaction,
    Result,
    Scores,
    Timing,
    digest,
    job_digest,
    write_json_atomic,
    write_outcome,
)

DATA = {
    "lines": ["train: 640 queries"],
    "warnings": ["pools: training has 32, the evaluation 64"],
    "facts": {"queries": 640},
}
FAULTS = {
    "FAKE_FULL_DISK": (FailureKind.FILES, "[Errno 28] No space left on device"),
    "FAKE_FAIL": (FailureKind.NOT_FINITE, "grpo epoch 1, step 2: the loss is nan"),
}
ASKED = os.environ.get


def environment_of(spec: dict[str, Any]) -> dict[str, str]:
    start = digest(spec["start"]) if "start" in spec else ""
    told = {"torch": ASKED("FAKE_TORCH", "0"), "device": "cpu", "data": "data", "reader": "reader"}
    return {**told, "training": digest(spec["task"]), "start": start}


def scores(spec: dict[str, Any], score: float) -> Scores:
    """What a judge says of a policy that is as good as ``score``; a good one has a low loss."""
    if spec["evaluate"]["score"] == "validation_loss":
        return Scores(score=5.0 - score, accuracy={}, questions=800)
    accuracy = {str(shots): score for shots in (1, 2, 3, 4)}
    return Scores(score=score, accuracy=accuracy, questions=800)


def score_of(spec: dict[str, Any], epoch: int) -> float:
    grpo = spec["phases"][-1]["grpo"]
    bonus = 0.05 if grpo["freeze"] == "none" else 0.0
    bonus += 0.003 * (spec["seed"] % 3) ** 2
    return 0.5 + bonus + 0.01 * epoch - abs(grpo["lr"] - 1e-3) * 10 - grpo["kl_beta"] * 0.1


def scored(folder: Path, job: dict[str, Any], epoch: int) -> tuple[Scores, str | None]:
    """What is told of one epoch, and the key of its answers, where they are kept."""
    questions = int(ASKED("FAKE_QUESTIONS", "0"))
    told = scores(job["spec"], score_of(job["spec"], epoch))
    if not questions:
        return told, None
    return keep_answers(folder / job["stages"], job["spec"], epoch, told.score, questions)


def check(folder: Path, job: dict[str, Any]) -> str:
    spec, alive = job["spec"], ASKED("FAKE_DEAD") != "1"
    write_json_atomic(folder / "data.json", DATA)
    known = [c for c in job["controls"] if scores(spec, 0.4).accuracy or c != "nearest"]
    share = 0.4 if alive else 0.0
    reaction = Reaction(group="head", selections_changed=share, answers_changed=share)
    found = Check(
        controls={control: scores(spec, 0.4) for control in known},
        liveness=Liveness(questions=200, alive=alive, groups=(reaction,)),
        job=job_digest(job),
        stage="start",
        ended=time.time(),
        reader_calls=Calls(),
        epochs_trained=0,
        environment=environment_of(spec),
    )
    write_outcome(folder, found)
    return "completed"


def take_memory(folder: Path, *, is_limited: bool) -> None:
    """Raise MemoryError in a process whose limit was lowered, as `prlimit --as` does."""
    if is_limited and not (folder / "limited").exists():
        (folder / "limited").touch()
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 2**26
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    bytes(2**28)  # which are not touched


def train(folder: Path, job: dict[str, Any]) -> str:
    spec, grpo = job["spec"], job["spec"]["phases"][-1]["grpo"]
    names = (repr(grpo["lr"]), f"seed {spec['seed']}")
    down = ASKED("FAKE_DOWN")
    is_down = down is not None and folder.name.isdigit() and int(folder.name) >= int(down)
    if is_down or Path(ASKED("FAKE_AWAY", "/no judge is away")).exists():
        write_outcome(folder, Failure(kind=FailureKind.JUDGE, message="no answer"))
        return "failed"
    if "FAKE_LIMIT" in os.environ:
        take_memory(folder, is_limited=ASKED("FAKE_LIMIT") in names)
    for variable, (kind, message) in FAULTS.items():
        if ASKED(variable) in names:
            write_outcome(folder, Failure(kind=kind, message=message))
            return "failed"
    lines = folder / "metrics.jsonl"
    lines.touch()
    is_held = folder.name.isdigit() and int(folder.name) >= int(ASKED("FAKE_HOLD", "1000"))
    for epoch in range(len(lines.read_text().splitlines()) + 1, grpo["epochs"] + 1):
        time.sleep(float(ASKED("FAKE_SECONDS", "0")))
        while is_held and not (folder / "stop").exists():
            time.sleep(0.01)
        told, key = scored(folder, job, epoch)
        by_part = {f"accuracy/shot_{shots}": value for shots, value in told.accuracy.items()}
        line = Epoch(
            phase="grpo",
            phase_index=len(spec["phases"]) - 1,
            epoch=epoch,
            stage="stage",
            evaluation=key,
            metrics={"score": told.score, "loss": 1.0 / epoch, **by_part},
            timing=Timing(ended=time.time()),
        )
        with lines.open("a") as file:
            file.write(json.dumps(line.to_json()) + "\n")
        say(event="epoch", folder=str(folder))
        if epoch < grpo["epochs"] and (folder / "stop").exists():
            return "stopped"
    told, key = scored(folder, job, grpo["epochs"])
    calls = int(ASKED("FAKE_CALLS", "0"))
    is_known = spec["evaluate"]["split"] == "holdout" and "FAKE_GONE" not in os.environ
    result = Result(
        **told.model_dump(),
        evaluation=key,
        job=job_digest(job),
        stage=digest(spec),
        reader_calls=Calls(needed=calls, asked=calls),
        epochs_trained=0 if is_known else grpo["epochs"],
        environment=environment_of(spec),
    )
    write_outcome(folder, result)
    return "completed"


def work(folder: Path) -> str:
    job = json.loads((folder / "trial.json").read_text())
    try:
        return train(folder, job) if job["controls"] is None else check(folder, job)
    except MemoryError:
        write_outcome(folder, Failure(kind=FailureKind.OUT_OF_HOST_MEMORY, message="no memory"))
        return "failed"


def say(**event: Any) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    say(event="ready")
    for line in sys.stdin:
        place = Path(json.loads(line))
        say(event="ended", folder=str(place), status=work(place))
