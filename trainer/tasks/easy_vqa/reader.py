"""The reader that easy_vqa brings: a small pre-trained model that answers from its shots."""

from trainer.readers import Reader
from trainer.readers.in_context import InContextReader
from trainer.tasks import Task
from trainer.tasks.easy_vqa import EasyVqa, load_reader_model


def open_own_reader(task: Task, *, device: str) -> Reader:
    """Open the reader on ``device``; raises InputError where its weights cannot be used."""
    assert isinstance(task, EasyVqa), "each task has readers of its own"
    return InContextReader(
        load_reader_model(task.weights),  # anew: a model is on one device
        images=task.rows.images,
        image_of_row=task.rows.image_of_row,
        words=task.words,
        answers=task.rows.answers,
        device=device,
    )
