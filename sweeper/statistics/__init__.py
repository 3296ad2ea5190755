"""What scores can tell: intervals, tests, corrections, the winner's curse. Arrays in, values out.

Scores come as a matrix (K, Q) of K settings on the same Q questions. A question's score is its mean
over the numbers of shots: these belong together, and questions are what is drawn anew. Everything
random has a seed, so that a report says the same twice. Higher is better; pass losses negated.

    resampling.py    questions drawn with replacement, signs flipped
    intervals.py     BCa intervals of means, and of paired differences
    sign_flip.py     the paired test, exact where scores lie on a lattice
    corrections.py   Holm, max-T, and the level of one test that max-T amounts to
    best.py          which settings may be the best; which are one and the same
    shots.py         the same verdict for every number of shots, corrected for having looked at all
    curse.py         what the best of many is worth, and how pessimistic that is
    power.py         what a number of questions can show
    seeds.py         training seeds as a second source of noise

Error rates and coverage on real answers are measured by `benchmarks/statistics.py`.
"""

__all__ = [
    "best",
    "corrections",
    "curse",
    "intervals",
    "parts",
    "power",
    "resampling",
    "seeds",
    "sign_flip",
]  # what other wings may import
