"""The two phases of post-training, RCE and GRPO: their settings and defaults."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from trainer.contract.fields import Count, Fraction, NonNegative, Positive, Spec

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
Reward = Literal[RewardMode, "score"]  # "score": what an older file recorded is the reward
Normalisation = Literal["z_score_clamp", "z_score", "rank_normalize", "none"]


class RewardWeights(Spec):
    """Weights of the parts that a reward is made of; not every mode uses all."""

    hard: NonNegative = 1.0  # of the answer being right
    soft: NonNegative = 1.0  # of the graded score, or of the right answer's probability
    rel: NonNegative = 0.1  # of shots related to the query, where the answer is wrong


class _PhaseSpec(Spec):
    """What both phases share: AdamW, its batch and its dropout."""

    lr: Positive = 1e-4  # learning rate of AdamW, constant
    weight_decay: NonNegative = 0.01  # of AdamW
    max_grad_norm: Positive = 1.0  # gradients are scaled down to it, all parameters together
    batch_size: Count = 32  # queries a step; the lab's is 1
    dropout: Fraction = 0.0  # of the projections; the lab trains with 0.5
    attention_dropout: Fraction = 0.0  # within cross-attention; the lab trains with 0.1
    reward: Reward = "hard01_plus_gtprob"  # of a recorded rollout; task files: hard_plus_soft
    reward_weights: RewardWeights = RewardWeights()  # of the parts of the reward


class RceSpec(_PhaseSpec):
    """Reward-weighted cross-entropy on recorded rollouts."""

    epochs: Annotated[int, Field(ge=0)] = 5  # also the length of the temperature schedule
    stop_after: Count | None = None  # the epoch at which to leave the schedule
    temperature_start: Positive = 2.0  # of the softmax that makes weights of rewards
    temperature_end: Positive = 0.5  # at the last epoch
    normalise: Normalisation = "z_score_clamp"  # of the rewards of one query
    top: Count | None = None  # so many rollouts of highest reward of each query; all unless given

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
    adaptive_kl: bool = False  # beta times 1.5 after a step with KL > 0.1, by 1.5 below 0.01
    clip_epsilon: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.2
    """Half of the width of the trust region of the probability ratio."""
    rollouts: Literal["sampled", "recorded"] = "sampled"  # from the policy; task files: recorded
    group_size: Annotated[int, Field(ge=2)] = 8  # sampled rollouts a query
    reference: Literal["phase_start", "run_start"] = "phase_start"  # what the KL is measured to
    freeze: str = "none"
    """What is trained. backbone: cross-attention, norms and gate; projections: the three
    projections; none: everything; head_then_all: N: everything after N epochs of backbone."""
    advantage: Literal["z_score", "rank"] = "z_score"  # of a rollout within its group
    advantage_min_std: Positive = 0.1  # floor of the standard deviation of a group's rewards
    advantage_clamp: Positive = 5.0  # largest absolute advantage
    curriculum: Annotated[tuple[Count, ...], Field(strict=False)] | None = None
    """Recorded rollouts only: how many of highest reward are used in epoch 1, 2, ...; the last
    number stands for all later epochs. The lab's runs: [3, 5]. All are used unless given."""

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


class PhaseEntry(Spec):
    """One item of `phases`: exactly one of `rce` and `grpo`."""

    rce: RceSpec | None = None  # reward-weighted cross-entropy
    grpo: GrpoSpec | None = None  # GRPO with a KL term

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
