"""Who scores a stage: a reader, a command, a loss."""
