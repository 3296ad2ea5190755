"""What one trial trains: the spec, checked on entry and immutable afterwards.

The spec has the same form in a study file's `trainer:` section, in `trial.json` and in the JSON
schema. It knows no files, no devices and no torch; a spec says what is computed, never where.
"""

import itertools
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

RewardMode = Literal[
    "hard_plus_soft",
    "hard_plus_soft_v2",
    "separated",
    "hard_only",
    "soft_only",
    "hard01_plus_gtprob",
    "hard01_plus_gtprob_separated",
    "hard_plus_gtprob_plus_rel",
]
REWARD_MODES: tuple[RewardMode, ...] = get_args(RewardMode)
Normalisation = Literal["z_score_clamp", "z_score", "rank_normalize", "none"]


class _Spec(BaseModel):
    """Unknown keys are errors, `1` is not True, NaN breaks every bound, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TaskSpec(_Spec):
    """Which questions are asked, from which data."""

    name: Literal["easy_vqa"] = "easy_vqa"
    training_queries: Annotated[int, Field(ge=32, le=1600)] = 1600

    @property
    def recorded_rollouts(self) -> int:
        """Rollouts that are recorded once: 16 for each training and 400 validation queries."""
        return 16 * (self.training_queries + 400)


class PolicySpec(_Spec):
    """Sizes of the pointer selector. D, the width of the embeddings, comes from the task."""

    variant: Literal["static", "gated"] = "static"
    hidden_dim: Count = 64  # the lab's is 256 for embeddings of 512; easy_vqa has 48
    num_layers: Count = 1
    num_heads: Count = 1

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "PolicySpec":
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"hidden_dim {self.hidden_dim} must be a multiple of num_heads {self.num_heads}"
            )
        return self


class _PhaseSpec(_Spec):
    """What both phases share: AdamW, its batch and its dropout."""

    lr: Positive = 1e-4
    weight_decay: NonNegative = 0.01
    max_grad_norm: Positive = 1.0  # over the trained parameters together
    batch_size: Count = 32  # queries a step; the lab's is 1
    dropout: Fraction = 0.0  # of the projections; the lab trains with 0.5
    attention_dropout: Fraction = 0.0  # within cross-attention; the lab trains with 0.1
    reward: RewardMode = "hard01_plus_gtprob"  # of a recorded rollout


class RceSpec(_PhaseSpec):
    """Reward-weighted cross-entropy on recorded rollouts."""

    epochs: Annotated[int, Field(ge=0)] = 5  # the length of the temperature schedule
    stop_after: Count | None = None  # the epoch at which to leave the schedule
    temperature_start: Positive = 2.0
    temperature_end: Positive = 0.5
    normalise: Normalisation = "z_score_clamp"

    @model_validator(mode="after")
    def _stops_within_schedule(self) -> "RceSpec":
        if self.stop_after is not None and self.stop_after > self.epochs:
            raise ValueError(f"stop_after {self.stop_after} lies beyond epochs {self.epochs}")
        return self

    @property
    def trained_epochs(self) -> int:
        """Epochs that are really trained."""
        return self.epochs if self.stop_after is None else self.stop_after


class GrpoSpec(_PhaseSpec):
    """GRPO with a KL term to a fixed reference policy, after RCE."""

    epochs: Annotated[int, Field(ge=0)] = 1  # 0 skips the phase
    kl_beta: NonNegative = 0.15  # weight of the KL term
    adaptive_kl: bool = False  # x1.5 after a step with KL > 0.1, /1.5 below 0.01 (the lab's)
    clip_epsilon: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.2
    rollouts: Literal["sampled", "recorded"] = "sampled"
    group_size: Annotated[int, Field(ge=2)] = 8  # sampled rollouts a query
    reference: Literal["phase_start", "run_start"] = "phase_start"
    freeze: str = (
        "none"  # backbone | none | projections | head_then_all:N (unfreeze after N epochs)
    )
    advantage: Literal["z_score", "rank"] = "z_score"
    advantage_min_std: Positive = 0.1
    advantage_clamp: Positive = 5.0
    curriculum: Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    """Recorded rollouts only: how many of highest reward are used in epoch 1, 2, ...; the last
    number stands for all later epochs. The lab's runs: (3, 5)."""

    @field_validator("freeze", mode="before")
    @classmethod
    def _one_form(cls, value: Any) -> Any:
        if isinstance(value, dict) and list(value) == ["head_then_all"]:
            return f"head_then_all:{value['head_then_all']}"
        return value

    @field_validator("freeze")
    @classmethod
    def _known_mode(cls, value: str) -> str:
        mode, colon, count = value.partition(":")
        if value in ("backbone", "none", "projections"):
            return value
        if mode == "head_then_all" and colon and count.isdigit() and int(count) >= 1:
            return value
        raise ValueError(
            "must be backbone, none, projections or head_then_all: N with N >= 1 epochs"
        )

    @field_validator("curriculum")
    @classmethod
    def _at_least_two(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or min(value) < 2):
            raise ValueError("needs numbers >= 2: one rollout has no relative advantage")
        return value

    @property
    def trained_epochs(self) -> int:
        """Epochs that are really trained."""
        return self.epochs


class PhaseEntry(_Spec):
    """One item of `phases`: exactly one of `rce` and `grpo`."""

    rce: RceSpec | None = None
    grpo: GrpoSpec | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "PhaseEntry":
        if (self.rce is None) == (self.grpo is None):
            raise ValueError("a phase is either `rce: {...}` or `grpo: {...}`")
        return self

    @property
    def kind(self) -> Literal["rce", "grpo"]:
        """Name of the phase."""
        return "grpo" if self.rce is None else "rce"

    @property
    def settings(self) -> RceSpec | GrpoSpec:
        """The phase's own fields."""
        settings = self.grpo if self.rce is None else self.rce
        assert settings is not None
        return settings


class EvaluateSpec(_Spec):
    """Which questions score a stage. One greedy roll-out of max(shots) steps gives every count."""

    shots: Annotated[tuple[Annotated[int, Field(ge=1, le=4)], ...], Field(strict=False)] = (
        1,
        2,
        3,
        4,
    )
    questions: Annotated[int, Field(ge=1, le=800)] = 800  # that select the best configuration
    holdout: Annotated[int, Field(ge=1, le=800)] = 800  # that confirm it; disjoint in images
    split: Literal["select", "holdout"] = "select"

    @field_validator("shots")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(a >= b for a, b in itertools.pairwise(value)):
            raise ValueError("must be increasing numbers of shots, like [1, 2, 3, 4]")
        return value

    @property
    def asked(self) -> int:
        """Number of questions of the split in use."""
        return self.questions if self.split == "select" else self.holdout


class TrainSpec(_Spec):
    """All that determines what one trial trains and how it is scored."""

    task: TaskSpec = TaskSpec()
    policy: PolicySpec = PolicySpec()
    phases: Annotated[tuple[PhaseEntry, ...], Field(strict=False)]
    evaluate: EvaluateSpec = EvaluateSpec()
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1  # 1 and 2 threads give other bits
    tf32: bool = False  # on CUDA only; faster matrix products with 10 bits of mantissa

    @field_validator("phases")
    @classmethod
    def _at_least_one(cls, value: tuple[PhaseEntry, ...]) -> tuple[PhaseEntry, ...]:
        if not value:
            raise ValueError("needs at least one phase, such as `- rce: {epochs: 5}`")
        return value

    @field_validator("task", mode="before")
    @classmethod
    def _task_by_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    def to_json(self) -> dict[str, Any]:
        """The spec as `trial.json` holds it; `TrainSpec.model_validate` reads it back."""
        return self.model_dump(mode="json", exclude_none=True)
