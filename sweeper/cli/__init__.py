"""The `sweeper` command: parse, call one function, print, exit code.

Exit codes: 0 all well, 1 some trials failed or the study cannot go on, 2 bad input, 130
interrupted. Imports of what takes time stand inside the commands: `sweeper --help` answers at once.
"""

from sweeper.cli import results, studies, workspace
from sweeper.cli.group import Commands, cli

__all__ = ["Commands", "cli", "results", "studies", "workspace"]
