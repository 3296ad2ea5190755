"""What any program left behind: its numbers, wherever it puts them.

spec.py           `results:` of a study file
outcome.py        what comes of it: metrics, curve, scores by question, warnings
reading.py        files, once the program has ended
following.py      what it prints, while it runs
reported.py       what it reports by `sweeper.client`, while it runs

files.py          the new files that a glob means
pointers.py       where a value stands in JSON
documents.py      one JSON value; rows.py, series.py: rows of JSON lines or CSV
trainer_state.py, lm_eval.py, inspect_logs.py: what these tools write
questions.py      scores by question
patterns.py       regular expressions for lines of output
"""

from sweeper.trainers.command.results.following import Follower
from sweeper.trainers.command.results.outcome import Outcome, Point, ResultsError, combined
from sweeper.trainers.command.results.reading import read_results
from sweeper.trainers.command.results.reported import Reported, ReportFile
from sweeper.trainers.command.results.spec import Results, Source, Sources

__all__ = [
    "Follower",
    "Outcome",
    "Point",
    "ReportFile",
    "Reported",
    "Results",
    "ResultsError",
    "Source",
    "Sources",
    "combined",
    "read_results",
]
