"""Python imports this where it stands on its path: counts the writes of drivers and workers."""

import sys
from pathlib import Path

import fault_points

if any(Path(argument).stem.endswith("trainer") for argument in sys.orig_argv):
    fault_points.watch("worker")
elif "run" in sys.orig_argv:
    fault_points.watch("driver")
