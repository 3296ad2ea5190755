"""A study folder as a driver leaves it, written by hand: no driver, no trainer, no MLflow."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sweeper.outcomes import Calls
from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.space import Value, complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.trial_folder import prepare_job
from sweeper.store.workspace import Workspace
from sweeper.study.config import parse_study, training_of
from trainer.contract import LOG

TEXT = """\
# Question: does anybody read this?
name: {name}
trainer:
  phases:
    - rce: {{epochs: 1}}
    - grpo: {{lr: "${{lr}}", epochs: "${{epochs}}", freeze: "${{freeze}}"}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
  epochs: {{min: 1, max: 3}}
  freeze: {{values: [backbone, none]}}
baseline: {{lr: 1e-4, epochs: 1, freeze: backbone}}
trials: 8
resources: {{devices: cpu, slots_per_device: 2}}
"""


def complete(number: int, score: float, *, lr: float = 1e-3, epochs: int = 2) -> TrialRecord:
    """A finished trial; number 0 is the baseline."""
    values: dict[str, Value] = {"lr": lr, "epochs": epochs, "freeze": "none"}
    return TrialRecord(
        number=number,
        params=values,
        state=TrialState.COMPLETE,
        score=score,
        notes=Notes(
            proposed="sampled" if number else "baseline",
            origin="trained",
            values=values,
            run_id=f"run{number}",
            accuracy={str(shots): score for shots in (1, 2, 3, 4)},
            stage=f"stage{number}",
            evaluation=f"scores{number}",
            device="cpu",
            epochs_trained=epochs,
            calls=Calls(needed=6400, asked=3200, store=3000, equal=200),
        ),
    )


def answered(folder: StudyFolder, number: int, scores: NDArray[np.float64]) -> None:
    """Put answers by question beside the stages, as those of a trial. Shape: ``(Q, 4)``."""
    place = folder.stages / "evaluations"
    place.mkdir(exist_ok=True)
    shots = np.zeros((len(scores), 4), dtype=np.int64)
    tensors = {"scores": scores.astype(np.float32), "shots": shots}
    save_file(tensors, place / f"scores{number}.safetensors")


def unfinished(number: int, state: TrialState = TrialState.RUNNING, **notes: Any) -> TrialRecord:
    """A trial that has no score."""
    values: dict[str, Value] = {"lr": 2e-3, "epochs": 3, "freeze": "backbone"}
    known = Notes(proposed="sampled", origin="trained", values=values, **notes)
    return TrialRecord(number=number, params=values, state=state, notes=known)


def start_study(
    root: Path,
    *records: TrialRecord,
    name: str = "kl_lr",
    loss: bool = False,
    more: str = "",
) -> StudyFolder:
    """Write the study ``name`` with these trials into the workspace ``root``.

    With ``loss`` its score is the validation loss; ``more`` are further lines of its file.
    """
    workspace = Workspace(root)
    workspace.prepare()
    folder = workspace.study(name)
    folder.root.mkdir()
    text = TEXT.format(name=json.dumps(name, ensure_ascii=False)) + more
    if loss:
        text = text.replace("trainer:\n", "trainer:\n  evaluate: {score: validation_loss}\n")
    folder.study_file.write_text(text)
    config = parse_study(folder.study_file.read_text(), folder.study_file)
    with StudyStore.open(folder.database, name=name, goal=config.goal, space=config.space) as store:
        store.set_attribute("study", config.to_json())
        for record in records:
            store.add(record)
    for record in records:
        training = training_of(config, complete_values(config.space, record.params))
        place = folder.trial(record.number)
        prepare_job(place, training.job(folder.surroundings(place, device="cpu")))
    return folder


def state_of(folder: StudyFolder, **changes: Any) -> dict[str, Any]:
    """A `state.json` of a running study with one complete and one running trial."""
    return {
        "study": folder.name,
        "state": "running",
        "goal": "maximize",
        "experiment": "1",
        "trials": 8,
        "slots": 2,
        "counts": {"complete": 1, "failed": 0, "pruned": 0, "running": 1, "waiting": 0},
        "best": {"trial": 0, "score": 0.625, "params": {"lr": 0.001}},
        "running": [
            {
                "trial": 1,
                "epoch": 1,
                "epochs": 3,
                "score": 0.5,
                "seconds": 2.0,
                "params": {"lr": 0.002, "epochs": 3, "freeze": "backbone"},
            }
        ],
        "updated": 0.0,
        **changes,
    }


def finished_study(root: Path, name: str = "kl_lr") -> StudyFolder:
    """A study with a baseline, a better trial that is the best, and a failed one."""
    failed = unfinished(2, TrialState.FAILED, failure="not_finite", reason="the loss is nan")
    folder = start_study(root, complete(0, 0.55, lr=1e-4), complete(1, 0.625), failed, name=name)
    counts = {"complete": 2, "failed": 1, "pruned": 0, "running": 0, "waiting": 0}
    best = {"trial": 1, "score": 0.625, "params": {"lr": 1e-3}}
    folder.write_state(
        state_of(folder, state="finished", counts=counts, best=best, running=[], trials=3)
    )
    (folder.trial(0) / LOG).write_text("step 1\n")
    return folder


def files_in(folder: Path) -> list[str]:
    """Everything below a folder, as paths relative to it."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
