"""Results that were measured elsewhere.

table.py     files of rows, CSV or JSON, to cells with their places
labels.py    what the names of the lab's files tell
pairing.py   which checkpoint a metrics file measured
lab.py       the lab's metrics files and checkpoints to the same cells
entries.py   cells held against the study: every problem at once, or entries
known.py     entries as results that the sampler knows before trial 0
study.py     all of it together: into a study, or nothing is written
"""

__all__ = ["entries", "known", "study"]  # what other wings may import
