"""What a `sweeper run` ends with: what is printed, and the exit code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeper.nouns import Nouns
from sweeper.outcomes import Result
from sweeper.records import TrialRecord, TrialState
from sweeper.results.table import Parts, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a `sweeper run` ends with."""

    study: str
    interrupted: bool
    records: Sequence[TrialRecord]
    table: Sequence[Row]  # controls, then trials from best to worst
    measure: str  # what they are scored by, such as `accuracy in per cent`
    parts: Parts  # columns of the parts of a score
    nouns: Nouns  # what these are
    confirmed: Mapping[str, Result]  # start, baseline, best on the held-out questions
    link: str  # of the MLflow page, below `sweeper ui` or `mlflow ui`; empty where it is away
    chosen: str = ""  # why the best is not simply the highest; empty where it is

    @property
    def exit_code(self) -> int:
        """0 all well, 1 some trials or finals failed, 130 interrupted."""
        if self.interrupted:
            return 130
        failed = any(record.state is TrialState.FAILED for record in self.records)
        return int(failed or any(record.final_failure is not None for record in self.records))
