"""The form of a reference file: inputs, two policies, and what the lab's code computed from them.

Reads and checks, computes nothing. Every problem of a file is told at once.

Shape legend: B queries, G rollouts, S shots, K candidates, D width of an embedding.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from trainer.contract.phases import RewardMode
from trainer.errors import InputError
from trainer.policy.policy import MASKED_LOGIT, TEMPERATURE

Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


def _tensor(dtype: torch.dtype, ndim: int | None) -> Callable[[Any], Tensor]:
    def convert(value: Any) -> Tensor:
        try:
            tensor = torch.tensor(value, dtype=dtype)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ValueError(f"is not an array of numbers: {error}") from error
        if ndim is not None and tensor.ndim != ndim:
            raise ValueError(f"needs {ndim} axes, but has {tensor.ndim}")
        if not tensor.isfinite().all():
            raise ValueError("holds a number that is not finite")
        return tensor

    return convert


Weights = Annotated[Tensor, BeforeValidator(_tensor(torch.float32, None))]
Matrix = Annotated[Tensor, BeforeValidator(_tensor(torch.float32, 2))]
Cube = Annotated[Tensor, BeforeValidator(_tensor(torch.float32, 3))]
IndexMatrix = Annotated[Tensor, BeforeValidator(_tensor(torch.int64, 2))]
IndexCube = Annotated[Tensor, BeforeValidator(_tensor(torch.int64, 3))]


class _Part(BaseModel):
    """Keys that are not known are left alone: a newer file may tell more."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class Config(_Part):
    """Of the policies. Sizes that the tensors tell by themselves are read off the tensors."""

    num_heads: Count
    temperature: float
    masked_logit: float

    @model_validator(mode="after")
    def _of_this_policy(self) -> "Config":
        if (self.temperature, self.masked_logit) != (TEMPERATURE, MASKED_LOGIT):
            raise ValueError(
                f"temperature {self.temperature} and masked_logit {self.masked_logit} are not those"
                f" of this project's policy, {TEMPERATURE} and {MASKED_LOGIT}"
            )
        return self


class RceEntry(_Part):
    """Loss and gradient of RCE with raw rewards."""

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    loss: Finite
    grad_norms: dict[str, Finite]


class GrpoEntry(_Part):
    """Loss, terms and gradient of GRPO; ``top_k`` None uses all rollouts."""

    kl_beta: Finite
    clip_epsilon: Finite
    top_k: Annotated[int, Field(ge=2)] | None
    loss: Finite
    ppo_loss: Finite
    kl_loss: Finite
    kl: Finite
    mean_ratio: Finite
    mean_advantage: Finite
    std_advantage: Finite
    max_advantage: Finite  # largest absolute value
    grad_norms: dict[str, Finite]


class TemperaturePoint(_Part):
    """One step of the temperature schedule; ``step`` is zero-based."""

    step: Annotated[int, Field(ge=0)]
    total: Count
    start: Finite
    end: Finite
    value: Finite


class KlBetaStep(_Part):
    """One adaptation of kl_beta."""

    kl: Finite
    beta: Finite
    value: Finite


class RecordedFields(_Part):
    """What a reward is made of; the last two may be missing or null."""

    vqa_correct: Finite
    vqa_acc_score: Finite
    vqa_gt_prob: Finite | None = None
    vqa_rel_score: Finite | None = None


class RewardExample(_Part):
    """One rollout's fields and its reward, with the default weights."""

    mode: RewardMode
    candidate: RecordedFields
    reward: Finite


class ReferenceFile(_Part):
    """One file, checked: shapes agree and every pointer lies in its pool."""

    variant: Literal["static", "gated"]
    config: Config
    state_dict: dict[str, Weights]
    reference_state_dict: dict[str, Weights]
    query: Matrix  # (B, D)
    candidates: Cube  # (B, K, D)
    pointers: IndexCube  # (B, G, S)
    rewards: Matrix  # (B, G)
    teacher_forced_logits_of_pointer_0: Cube  # (B, S, K)
    greedy_selection: IndexMatrix  # (B, steps)
    greedy_logits: Cube  # (B, steps, K)
    log_probs: Matrix  # (B, G)
    reference_log_probs: Matrix  # (B, G)
    advantages_zscore: Matrix  # (B, G)
    advantages_rank: Matrix  # (B, G)
    rce: list[RceEntry]
    grpo: list[GrpoEntry]
    temperature_schedule: list[TemperaturePoint]
    adaptive_kl_beta: list[KlBetaStep]
    reward_modes: list[RewardExample]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "ReferenceFile":
        batch, pool, width = self.candidates.shape
        group, shots = self.pointers.shape[1:]
        steps = self.greedy_selection.shape[1]
        shapes = {
            "query": (batch, width),
            "pointers": (batch, group, shots),
            "rewards": (batch, group),
            "teacher_forced_logits_of_pointer_0": (batch, shots, pool),
            "greedy_selection": (batch, steps),
            "greedy_logits": (batch, steps, pool),
            "log_probs": (batch, group),
            "reference_log_probs": (batch, group),
            "advantages_zscore": (batch, group),
            "advantages_rank": (batch, group),
        }
        problems = [
            f"{name} has shape {tuple(getattr(self, name).shape)} instead of {shape}"
            for name, shape in shapes.items()
            if getattr(self, name).shape != shape
        ]
        if group < 2:
            problems.append("pointers need at least two rollouts a query")
        if not 1 <= max(shots, steps) <= pool or min(shots, steps) < 1:
            problems.append(f"{max(shots, steps)} shots cannot be chosen from {pool} candidates")
        elif self.pointers.min() < 0 or self.pointers.max() >= pool:
            problems.append(f"a pointer lies outside its pool of {pool} candidates")
        gated = any(name.startswith("query_update_gate.") for name in self.state_dict)
        if gated != (self.variant == "gated"):
            problems.append(f"state_dict is not that of the variant {self.variant}")
        if problems:
            raise ValueError("; ".join(problems))
        return self


def read_reference(path: Path) -> ReferenceFile:
    """Read and check a reference file.

    Raises:
        InputError: where it is missing, is not JSON, lacks keys or contradicts itself; it tells
            every problem.
    """
    try:
        payload = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # a text that is not UTF-8 included
        raise InputError(f"{path} is not JSON: {error}") from error
    try:
        return ReferenceFile.model_validate(payload)
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise InputError(f"{path} is not a usable reference file:\n{problems}") from error
