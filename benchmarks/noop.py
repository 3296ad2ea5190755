"""A study whose trials train nothing: what is left is the sweeper's own."""

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


def noop_study(folder: Path, trials: int, *, sampler: str = "random") -> list[str]:
    """Write the file of a study into a new folder, its workspace; return the command that runs it
    on one slot.
    """
    folder.mkdir()
    study = folder / f"{NAME}.yaml"
    study.write_text(_STUDY.format(name=NAME, sampler=sampler, trials=trials))
    return [sys.executable, str(_FAKE_STUDY), str(study), str(folder), "1"]
