"""What is on disk and in MLflow: written by the driver, read by everybody."""

__all__ = [
    "gc",
    "provenance",
    "reading",
    "rebuilding",
    "slot_requests",
    "snapshot",
    "status",
    "study_folder",
    "study_store",
    "tracking",
    "trial_folder",
    "workspace",
]  # what other wings may import
