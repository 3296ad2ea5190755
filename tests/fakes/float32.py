"""How far two right computations in float32 may lie apart: other processors add in other orders."""

EPSILON = 2.0**-23  # distance of 1.0 from the next float32


def rounding(terms: int, *, steps: int) -> float:
    """Relative difference that rounding alone may leave.

    Errors of a sum grow with the square root of its terms, and add up over the steps that follow
    each other (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 2.8).

    Args:
        terms: Of the longest sum: the width of a matrix product.
        steps: Products, softmax and norm that stand one after the other.
    """
    return float(steps * terms**0.5 * EPSILON)
