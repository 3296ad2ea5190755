"""Studies whose trials train nothing: what is left is the sweeper's own."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "noop"
_FAKE_STUDY = ROOT / "tests" / "fakes" / "run_fake_study.py"
_STUDY = """
name: {name}
trainer:
  phases:
    - grpo: {{lr: "${{lr}}", kl_beta: "${{kl_beta}}"}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
  kl_beta: {{min: 0.01, max: 0.3}}
sampler: {{name: {sampler}}}
trials: {trials}
"""

_COMMAND_STUDY = """
name: {name}
command: ["${{interpreter}}", -c, "print('score=0.5')", "${{args}}"]
results: {{stdout: 'score=(?P<score>)'}}
parameters:
  lr: {{min: 1e-5, max: 1e-2, log: true}}
  kl_beta: {{min: 0.01, max: 0.3}}
sampler: {{name: random}}
trials: {trials}
resources: {{devices: cpu, slots_per_device: 1}}
"""


def noop_command_study(folder: Path, trials: int) -> list[str]:
    """The same as `noop_study` for a program of the user's: Python that prints one line."""
    folder.mkdir()
    study = folder / f"{NAME}.yaml"
    study.write_text(_COMMAND_STUDY.format(name=NAME, trials=trials))
    sweeper = str(Path(sys.executable).with_name("sweeper"))
    return [sweeper, "--workspace", str(folder), "run", str(study)]


def noop_study(folder: Path, trials: int, *, sampler: str = "random") -> list[str]:
    """Write the file of a study into a new folder, its workspace; return the command that runs it
    on one slot.
    """
    folder.mkdir()
    study = folder / f"{NAME}.yaml"
    study.write_text(_STUDY.format(name=NAME, sampler=sampler, trials=trials))
    return [sys.executable, str(_FAKE_STUDY), str(study), str(folder), "1"]
