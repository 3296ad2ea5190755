"""One `sweeper run`: the controls, the search, the finals, the confirmation."""

__all__ = [
    "confirming",
    "interrupts",
    "preflight",
    "session",
    "slots",
]  # what other wings may import
