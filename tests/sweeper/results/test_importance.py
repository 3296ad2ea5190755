import numpy as np
from fakes.evidence_rows import study

from sweeper.results.importance import parameter_importance
from sweeper.space import Value


def results(count: int) -> list[tuple[dict[str, Value], float]]:
    """Settings whose score is decided by `pull` alone."""
    generator = np.random.default_rng(0)
    found: list[tuple[dict[str, Value], float]] = []
    for _ in range(count):
        pull = float(generator.uniform(0.01, 0.3))
        setting: dict[str, Value] = {
            "step": float(10 ** generator.uniform(-5, -2)),
            "pull": pull,
            "length": int(generator.integers(1, 7)),
            "what": ["backbone", "none"][int(generator.integers(2))],
        }
        found.append((setting, pull))
    return found


def test_the_parameter_that_decides_comes_first_and_its_spread_holds_it() -> None:
    found = parameter_importance(study().space, results(60), goal="maximize", resamples=8)
    assert next(iter(found)) == "pull"
    pull = found["pull"]
    assert pull.median > 0.5
    assert pull.low <= pull.median <= pull.high
    assert parameter_importance(study().space, results(60), goal="maximize", resamples=8) == found


def test_a_handful_of_trials_says_nothing() -> None:
    assert parameter_importance(study().space, results(9), goal="maximize") == {}


def test_a_value_outside_its_range_is_left_out() -> None:
    rows = results(20)
    rows[0] = ({**rows[0][0], "step": 5.0}, rows[0][1])
    assert parameter_importance(study().space, rows, goal="maximize", resamples=2)
