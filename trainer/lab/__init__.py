"""The lab's own files: its checkpoints in and out, its reference numbers."""
