"""The search space: parameters, which of them are active, and finite spaces point by point.

Pure values; no Optuna, no files. A *setting* maps the names of the active parameters to values; the
*values* of a trial are its setting completed by fixed parameters and, for inactive ones, `otherwise`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """What the sampler may choose for one name."""

    name: str
    low: float | int | None = None  # of a float or int parameter; a value, also when log
    high: float | int | None = None
    log: bool = False
    step: float | int | None = None
    integer: bool = False
    choices: tuple[Value, ...] = ()  # of a categorical parameter
    fixed: Value | None = None  # a constant that only gives a name to a value
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)  # all must hold
    otherwise: Value | None = None  # the value used while `when` does not hold
    fidelity: bool = False  # a training budget: a longer training contains the shorter ones


@dataclass(frozen=True, slots=True)
class Space:
    """All parameters, every one after those that its `when` names."""

    parameters: tuple[Parameter, ...]
