"""What a number of questions can show.

A difference is found where the paired test's statistic, the sum over its length, passes the
threshold c of its level. Among Q questions of mean difference m and deviation s that is
m / s >= c / sqrt(Q - c^2): no difference at all is found in c^2 questions or fewer. The announced
power is that of the verdict if the level is the one that its correction amounts to (`max_t_level`).
"""

import math

from scipy.stats import norm

LEVEL = 0.05
POWER = 0.8


def detectable_difference(
    deviation: float, questions: int, *, level: float = LEVEL, power: float = POWER
) -> float:
    """The smallest difference that a two-sided paired test finds with probability ``power``.

    Args:
        deviation: Standard deviation of a question's difference.
        questions: How many there are.
        level: Of the test, after correction.
        power: In (0, 1).

    Returns:
        Infinite where so few questions show nothing.
    """
    threshold = _threshold(level)
    if questions <= threshold**2:
        return math.inf
    reach = threshold + float(norm.ppf(power))
    return reach * deviation / math.sqrt(questions - threshold**2)


def power_to_find(
    difference: float, deviation: float, questions: int, *, level: float = LEVEL
) -> float:
    """The probability that the test finds ``difference``; ``level`` where there is none."""
    threshold = _threshold(level)
    if questions <= threshold**2:
        return 0.0
    if deviation == 0.0:
        return 1.0 if difference else level
    shift = abs(difference) / deviation * math.sqrt(questions - threshold**2)
    return float(norm.sf(threshold - shift) + norm.cdf(-threshold - shift))


def questions_needed(
    deviation: float, difference: float, *, level: float = LEVEL, power: float = POWER
) -> float:
    """How many questions would show ``difference``; infinite where it is nothing."""
    if difference == 0.0:
        return math.inf
    threshold = _threshold(level)
    reach = threshold + float(norm.ppf(power))
    return math.ceil((reach * deviation / difference) ** 2 + threshold**2)


def questions_range(
    first: float, second: float, *, parts: int, level: float = LEVEL, power: float = POWER
) -> tuple[float, float]:
    """How many questions would settle two means whose scores by question are not known.

    Fewest where every answer that changed went from wrong to right for one number of shots, none
    the other way; most where the two settings answer independently, and all shots of a question
    alike.

    Args:
        first: A mean score, a fraction.
        second: The other.
        shots: Numbers of shots that a score is the mean of.
        level: Of the test.
        power: In (0, 1).
    """
    difference = abs(first - second)
    fewest = math.sqrt(max(difference / parts - difference**2, 0.0))
    most = math.sqrt(first * (1.0 - first) + second * (1.0 - second))
    return (
        questions_needed(fewest, difference, level=level, power=power),
        questions_needed(most, difference, level=level, power=power),
    )


def _threshold(level: float) -> float:
    return float(norm.ppf(1.0 - level / 2.0))
