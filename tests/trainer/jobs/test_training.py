"""What is known of recorded rollouts is neither asked again nor taken for another reader's."""

from pathlib import Path

import torch
from fakes.toy_task import ToyReader, ToyTask
from torch import Tensor

from trainer.answers.remembering import remembered
from trainer.contract import AnswersPlace, EvaluateSpec, Job, TrainSpec
from trainer.jobs.training import open_training, recorded_rollouts
from trainer.readers import Calls, Reader
from trainer.tasks import Inputs, RecordedRollouts

SPEC = TrainSpec.model_validate(
    {"phases": [{"rce": {"epochs": 1}}], "evaluate": {"questions": 32, "holdout": 32}}
)
RECORDED = 6 * (32 + 16)  # rollouts of the toy task


def toy(*, digest: str = "toy-reader", store: Path | None = None) -> Inputs:
    reader = ToyReader()
    reader.digest = digest
    reader.worth_storing = True
    plain = Inputs(ToyTask(), reader)
    return plain if store is None else remembering(plain, store)


def remembering(plain: Inputs, store: Path) -> Inputs:
    place = AnswersPlace("file", str(store))
    rows = plain.task.data_digest
    return Inputs(plain.task, remembered(plain.reader, place, EvaluateSpec(), rows=rows))


def recorded(inputs: Inputs, folder: Path) -> tuple[Tensor, Tensor]:
    """Queries and shots of all recorded rollouts, made or read."""
    job = Job(spec=SPEC, stages=folder / "stages")
    found = recorded_rollouts(open_training(job, *inputs))
    rows = [answered(rollouts) for rollouts in found.values()]
    return torch.cat([row[0] for row in rows]), torch.cat([row[1] for row in rows])


def answered(rollouts: RecordedRollouts) -> tuple[Tensor, Tensor]:
    counts = rollouts.offsets.diff()
    pools = rollouts.pools.repeat_interleave(counts, dim=0)
    return rollouts.queries.repeat_interleave(counts), pools.gather(1, rollouts.pointers)


def test_rollouts_that_were_recorded_without_a_store_are_known_to_one(tmp_path: Path) -> None:
    queries, shots = recorded(toy(), tmp_path)
    inputs = toy(store=tmp_path / "answers.db")
    recorded(inputs, tmp_path)
    reader = inputs.reader
    assert torch.equal(
        reader.answer(queries, shots).score, ToyReader().answer(queries, shots).score
    )
    assert reader.calls.asked == 0
    assert reader.calls.needed == RECORDED


def test_rollouts_of_another_reader_or_decoder_are_not_taken_over(tmp_path: Path) -> None:
    queries, shots = recorded(toy(), tmp_path)
    recorded(toy(store=tmp_path / "answers.db"), tmp_path)  # which has learned them
    other = toy(digest="toy-reader, three beams", store=tmp_path / "answers.db")
    distinct = len(torch.unique(torch.cat([queries[:, None], shots], dim=1), dim=0))
    recorded(other, tmp_path)
    assert other.reader.calls == Calls(asked=distinct, equal=RECORDED - distinct)


class Filed(ToyTask):
    """Its rollouts are in a file; who answered them is another reader than that of the job."""

    rollouts_are_files = True

    def record_rollouts(self, split: str, reader: Reader) -> RecordedRollouts:
        return super().record_rollouts(split, ToyReader())


def test_rollouts_from_a_file_teach_no_reader(tmp_path: Path) -> None:
    inputs = remembering(Inputs(Filed(), ToyReader()), tmp_path / "answers.db")
    queries, shots = recorded(inputs, tmp_path)
    inputs.reader.answer(queries, shots)
    assert inputs.reader.calls.store == 0
