"""Questions answered without a trial: can this spec be trained here, how good is that stage."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trainer.contract import Job, TrainSpec, environment_to_json
from trainer.errors import TrainerError
from trainer.jobs.data_contract import data_contract
from trainer.jobs.run import prepare_torch, read_trial, spec_problems
from trainer.jobs.start import read_start
from trainer.jobs.training import environment_of
from trainer.scoring.evaluate import evaluate_folder, scores_of
from trainer.scoring.opening import open_judge
from trainer.tasks import open_inputs


def check_spec(payload: Any, *, device: str) -> dict[str, Any]:
    """Load all that the spec needs, without training.

    Returns:
        ``{"problems": [...], "environment": {...} or None, "facts": {...}}``; the environment is
        what stage keys are made of, the facts are sizes to plan with.
    """
    try:
        spec = TrainSpec.model_validate(payload)
        job = Job(spec=spec, stages=Path(), device=device)
        prepare_torch(job)
        task, reader = open_inputs(spec, device)
        judge = open_judge(spec, task, reader)
        start = read_start(spec, width=task.embeddings.shape[1])
    except ValidationError as error:
        return {"problems": spec_problems(error), "environment": None, "facts": {}}
    except TrainerError as error:
        return {"problems": [str(error)], "environment": None, "facts": {}}
    problems = []
    pool = int(task.questions("select").pool_sizes.min())
    if max(spec.evaluate.shots) > pool:
        problems.append(f"evaluate.shots: {max(spec.evaluate.shots)} shots from pools of {pool}")
    return {
        "problems": problems,
        "environment": environment_to_json(environment_of(judge, device, start=start)),
        "facts": {
            "training_queries": len(task.training_queries),
            "pool": pool,
            "width": task.embeddings.shape[1],
        },
        "data_contract": data_contract(spec, task, reader),
    }


def evaluate_finished(stage: Path, trial: Path, *, split: str, questions: int) -> dict[str, Any]:
    """Score a stage on the questions of ``split``; nothing is written.

    Raises:
        TrainerError: where stage or data cannot be used.
    """
    job = read_trial(trial)
    field = "questions" if split == "select" else "holdout"
    evaluate = job.spec.evaluate.model_copy(
        update={"split": split, field: questions, "first": None}
    )
    spec = job.spec.model_copy(update={"evaluate": evaluate})
    prepare_torch(job)
    judge = open_judge(spec, *open_inputs(spec, job.device))
    evaluation = evaluate_folder(stage, judge, device=job.device)
    return {**scores_of(evaluation, judge).model_dump(), "split": split}
