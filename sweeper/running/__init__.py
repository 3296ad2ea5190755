"""One `sweeper run`: the controls, the search, the finals, the confirmation."""

# what other wings may import
__all__ = [
    "cancelling",
    "confirming",
    "interrupts",
    "preflight",
    "repairing",
    "retrying",
    "session",
    "slot_changes",
    "slots",
    "stopping",
    "summary",
]
