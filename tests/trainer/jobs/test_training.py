"""What is known of recorded rollouts is neither asked again nor taken for another reader's."""

from pathlib import Path

import torch
from fakes.toy_task import ToyTask
from torch import Tensor

from trainer.answers.remembering import remembered
from trainer.contract import AnswersPlace, EvaluateSpec, Job, TrainSpec
from trainer.jobs.training import open_training, recorded_rollouts
from trainer.readers import Calls
from trainer.tasks import RecordedRollouts, Task

SPEC = TrainSpec.model_validate(
    {"phases": [{"rce": {"epochs": 1}}], "evaluate": {"questions": 32, "holdout": 32}}
)
RECORDED = 6 * (32 + 16)  # rollouts of the toy task


def toy(*, digest: str = "toy-reader", store: Path | None = None) -> Task:
    task = ToyTask()
    task.reader.digest = digest
    task.reader.worth_storing = True
    return task if store is None else remembering(task, store)


def remembering(task: Task, store: Path) -> Task:
    return remembered(task, AnswersPlace("file", str(store)), EvaluateSpec())


def recorded(task: Task, folder: Path) -> tuple[Tensor, Tensor]:
    """Queries and shots of all recorded rollouts, made or read."""
    job = Job(spec=SPEC, stages=folder / "stages")
    found = recorded_rollouts(open_training(job, task))
    rows = [answered(rollouts) for rollouts in found.values()]
    return torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows])


def answered(rollouts: RecordedRollouts) -> tuple[Tensor, Tensor]:
    counts = rollouts.offsets.diff()
    pools = rollouts.pools.repeat_interleave(counts, dim=0)
    return rollouts.queries.repeat_interleave(counts), pools.gather(1, rollouts.pointers)


def test_rollouts_that_were_recorded_without_a_store_are_known_to_one(tmp_path: Path) -> None:
    queries, shots = recorded(toy(), tmp_path)
    task = toy(store=tmp_path / "answers.db")
    recorded(task, tmp_path)
    assert torch.equal(
        task.reader.answer(queries, shots).score, toy().reader.answer(queries, shots).score
    )
    assert task.reader.calls.asked == 0
    assert task.reader.calls.needed == RECORDED


def test_rollouts_of_another_reader_or_decoder_are_not_taken_over(tmp_path: Path) -> None:
    queries, shots = recorded(toy(), tmp_path)
    recorded(toy(store=tmp_path / "answers.db"), tmp_path)  # which has learned them
    other = toy(digest="toy-reader, three beams", store=tmp_path / "answers.db")
    distinct = len(torch.unique(torch.cat([queries[:, None], shots], dim=1), dim=0))
    recorded(other, tmp_path)
    assert other.reader.calls == Calls(asked=distinct, equal=RECORDED - distinct)


def test_rollouts_from_a_file_teach_no_reader(tmp_path: Path) -> None:
    plain = toy()  # whoever answered them: the file may say so, the reader here is another one
    plain.rollouts_are_files = True
    task = remembering(plain, tmp_path / "answers.db")
    files = {split: ToyTask().record_rollouts(split) for split in ("train", "validate")}
    task.record_rollouts = files.__getitem__  # type: ignore[method-assign]
    queries, shots = recorded(task, tmp_path)
    task.reader.answer(queries, shots)
    assert task.reader.calls.store == 0
