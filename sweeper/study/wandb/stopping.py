"""W&B's `early_terminate` as a pruner, whose unit is the epoch. Pure.

W&B counts how often the metric was logged; where that cannot be an epoch nothing is carried over,
since a pruner that looks for the first time after the end prunes nothing.
"""

import math
from typing import Any

from sweeper.study.yaml_text import yaml_value

DEFAULT_ETA = 3  # W&B's
DEFAULT_BRACKETS = 2  # W&B's `s`


def pruner_of(stop: Any, most_epochs: int | None) -> tuple[dict[str, object] | None, str]:
    """Return the study's pruner and what differs from the sweep's; None where there can be none.

    Args:
        stop: The sweep's `early_terminate`.
        most_epochs: Of a trial; None where nobody can tell.

    References:
        Weights & Biases documentation, sweep configuration, "early_terminate": the bands are
        min_iter * eta^k, or max_iter / eta^k for k up to s.
    """
    if not isinstance(stop, dict) or stop.get("type") != "hyperband":
        return None, f"{yaml_value(stop)} left out; only type hyperband is known"
    eta = _whole(stop.get("eta", DEFAULT_ETA), least=2)
    first = _first_band(stop, eta)
    if first is None or eta is None:
        return None, f"{yaml_value(stop)} left out; it names no whole numbers"
    began = f"looks for the first time after {first} logged value{'' if first == 1 else 's'}"
    if most_epochs is None:
        return None, f"left out: it {began}, and nothing says how many epochs a trial has"
    if first >= most_epochs:
        return None, (
            f"left out: it {began}, and a trial has at most {most_epochs} "
            f"epoch{'' if most_epochs == 1 else 's'}; write `min_resource` in epochs"
        )
    lost = "; `strict` has no counterpart" if stop.get("strict") else ""
    pruner = {"name": "hyperband", "min_resource": first, "reduction_factor": eta}
    return pruner, f"{began}, which are taken for epochs{lost}"


def _first_band(stop: dict[str, object], eta: int | None) -> int | None:
    if "min_iter" in stop:
        return _whole(stop["min_iter"], least=1)
    most = _whole(stop.get("max_iter"), least=1)
    brackets = _whole(stop.get("s", DEFAULT_BRACKETS), least=1)
    if most is None or brackets is None or eta is None or brackets > math.log2(most) + 1:
        return None
    return max(1, most // int(eta**brackets))


def _whole(value: object, *, least: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        return None
    return value
