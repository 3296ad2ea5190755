"""Any program as the trainer: a command line, and what it leaves behind."""
