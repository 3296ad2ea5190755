"""What the trials of a study amount to: the evidence, its weighing, the choice."""

__all__ = [
    "assessment",
    "best",
    "by_part",
    "choosing",
    "comparison",
    "evidence",
    "export",
    "importance",
    "table",
    "trials_csv",
]  # what other wings may import
