"""Which questions are asked, from which data: the embedded task, or the lab's own files.

What others must know of a task is a fact of its spec: nobody asks which task it is.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from trainer.contract.fields import Spec, Text


class EasyVqaSpec(Spec):
    """The embedded task: questions about rendered shapes, with a small reader of its own."""

    brings_reader: ClassVar[bool] = True  # one that answers any question with any shots
    asks_for_rollouts: ClassVar[bool] = True  # recorded ones are its reader's answers
    questions_a_split: ClassVar[int | None] = 800  # for evaluation; None: as many as a file has

    name: Literal["easy_vqa"] = "easy_vqa"  # `task: easy_vqa` says the same
    training_queries: Annotated[int, Field(ge=32, le=1600)] = 1600  # so many of its queries

    @property
    def recorded_rollouts(self) -> int:
        """Rollouts that are recorded once: 16 for each training and 400 validation queries."""
        return 16 * (self.training_queries + 400)

    def below(self, folder: Path) -> "EasyVqaSpec":
        """The same: it has no files."""
        return self


class EmbeddingsSpec(Spec):
    """Files of embeddings: `.pt` (tensor or NumPy array), `.npy` or `.safetensors`."""

    train: Text  # a row for each training question
    evaluate: Text | None = None  # a row for each evaluation question; they are not in `train`


class PoolsSpec(Spec):
    """Evaluation pools that are drawn from the training rows."""

    size: Annotated[int, Field(ge=4, le=64)] = 64  # candidates of a question
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0  # of the draw


class FilesSpec(Spec):
    """The lab's own files. Paths are absolute, or relative to the study file."""

    brings_reader: ClassVar[bool] = False
    asks_for_rollouts: ClassVar[bool] = False
    questions_a_split: ClassVar[int | None] = None

    name: Literal["files"]  # tells it from the embedded task
    rollouts: Text  # RL data: queries with their recorded rollouts
    validation: Text | None = None  # RL data that validates; else what `split` leaves of the above
    embeddings: EmbeddingsSpec  # of the questions; a file alone is that of `train`
    pools: Text | PoolsSpec = PoolsSpec()  # candidates of the questions in `embeddings.evaluate`
    split: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.8
    """Share of the queries, sorted by id, that trains where `validation` is not given."""
    on_bad: Literal["error", "drop"] = "error"  # what becomes of a query that contradicts itself
    skip_fallback: bool = True  # leave out rollouts that were scored by the fallback metric
    require_positive: bool = False  # drop queries without a correct rollout
    old_scores: Literal["higher_is_better", "lower_is_better"] | None = None
    """Sense of the scores of an older file (`id_list`) that does not tell it itself."""

    @property
    def recorded_rollouts(self) -> int:
        """None are asked for: they are in the file."""
        return 0

    @field_validator("embeddings", mode="before")
    @classmethod
    def _training_alone(cls, value: Any) -> Any:
        return {"train": value} if isinstance(value, str) else value

    def below(self, folder: Path) -> "FilesSpec":
        """The same files, looked for from ``folder`` where their paths are relative."""
        embeddings = self.embeddings
        evaluate = embeddings.evaluate
        return self.model_copy(
            update={
                "rollouts": str(folder / self.rollouts),
                "validation": None if self.validation is None else str(folder / self.validation),
                "embeddings": EmbeddingsSpec(
                    train=str(folder / embeddings.train),
                    evaluate=None if evaluate is None else str(folder / evaluate),
                ),
                "pools": str(folder / self.pools) if isinstance(self.pools, str) else self.pools,
            }
        )


TaskSpec = Annotated[EasyVqaSpec | FilesSpec, Field(discriminator="name")]
