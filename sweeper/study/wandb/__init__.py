"""A Weights & Biases sweep to a study file; what that cannot keep is said, none of it silently.

conversion.py   what both kinds of study have in common: parameters, sampler, trials
placing.py      parameters in fields of the built-in trainer
program.py      `program:` and `command:` as a study's command
ranges.py       a distribution as an entry of the study file
stopping.py     `early_terminate` as a pruner
"""

from sweeper.study.wandb.conversion import Conversion, convert

__all__ = ["Conversion", "convert"]
