"""Where jobs run."""

__all__ = ["devices", "jobs", "local"]  # what other wings may import
