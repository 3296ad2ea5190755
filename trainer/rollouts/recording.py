"""Recorded rollouts: read from a file, or asked for once a workspace and kept as a stage."""

from torch import Tensor

from trainer.answers.remembering import RememberingReader
from trainer.readers import Answers, Reader
from trainer.stage_store import StageStore
from trainer.tasks import RecordedRollouts, Task

SPLITS = ("train", "validate")


def known_rollouts(
    task: Task, reader: Reader, store: StageStore, *, key: str
) -> dict[str, RecordedRollouts]:
    """The recorded rollouts of a task by split, on the CPU.

    What they know of ``reader`` becomes part of its answers, where these are kept.

    Args:
        task: Whose files hold them, or whose behaviour policy chooses the shots.
        reader: Who is asked where no file holds them.
        store: Keeps what was asked for.
        key: Of the stage that keeps it.
    """
    if task.rollouts_are_files:
        return {split: task.record_rollouts(split, reader) for split in SPLITS}
    stage = store.read(key)
    if stage is None:
        calls = reader.calls
        made = {
            f"{split}.safetensors": task.record_rollouts(split, reader).tensors()
            for split in SPLITS
        }
        spent = (reader.calls - calls).needed
        store.write(key, made, {"phase": "rollouts", "metrics": {"reader_calls": spent}})
        stage = store.read(key)
        assert stage is not None, "written a moment ago"
    found = {split: RecordedRollouts(**stage.tensors[f"{split}.safetensors"]) for split in SPLITS}
    if isinstance(reader, RememberingReader):
        for rollouts in found.values():
            reader.learn(*_answered(rollouts))
    return found


def _answered(rollouts: RecordedRollouts) -> tuple[Tensor, Tensor, Answers]:
    """Queries, shots and answers of recorded rollouts, one below the other."""
    counts = rollouts.offsets.diff()
    shots = rollouts.pools.repeat_interleave(counts, dim=0).gather(1, rollouts.pointers)
    answers = Answers(rollouts.soft, rollouts.gt_prob)
    return rollouts.queries.repeat_interleave(counts), shots, answers
