"""What a number of questions can show."""

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
    """
    return _reach(level, power) * deviation / math.sqrt(questions)


def questions_needed(
    deviation: float, difference: float, *, level: float = LEVEL, power: float = POWER
) -> float:
    """How many questions would show ``difference``; infinite where it is nothing."""
    if difference == 0.0:
        return math.inf
    return math.ceil((_reach(level, power) * deviation / difference) ** 2)


def questions_range(
    first: float, second: float, *, shots: int, level: float = LEVEL, power: float = POWER
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
    fewest = math.sqrt(max(difference / shots - difference**2, 0.0))
    most = math.sqrt(first * (1.0 - first) + second * (1.0 - second))
    return (
        questions_needed(fewest, difference, level=level, power=power),
        questions_needed(most, difference, level=level, power=power),
    )


def _reach(level: float, power: float) -> float:
    return float(norm.ppf(1.0 - level / 2.0) + norm.ppf(power))
