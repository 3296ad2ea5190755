"""The runs of a study's trials in MLflow: how each is opened, what stands in it, how it ends.

The same numbers at the same times are the same points: what is written again stays one.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from sweeper.outcomes import RESULT, Calls, Epoch, Result
from sweeper.records import Final, Notes, SeedScore, TrialRecord, TrialState
from sweeper.running.verdict import Verdict
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.tracking.keys import call_metrics, phase_groups
from sweeper.study.config import StudyConfig
from sweeper.trainers import Training

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.enduring import Tracking

MLFLOW_STATUS: dict[TrialState, Literal["FINISHED", "FAILED", "KILLED"]] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.RUNNING: "KILLED",
}


class TrialRuns:
    """Writes them, for the driver that holds the study's lock."""

    def __init__(self, config: StudyConfig, folder: StudyFolder, tracking: "Tracking") -> None:
        self._config = config
        self._folder = folder
        self._tracking = tracking

    def open(self, record: TrialRecord) -> str:
        """Open the MLflow run of a trial, whether it has ended or not."""
        return self._tracking.trial_run(
            self._tracking.parent,
            name=f"trial {record.number}",
            number=record.number,
            params=record.notes.values,
            tags={"sweeper.proposed": record.notes.proposed, "sweeper.origin": "trained"},
            run_id=record.notes.run_id,
        )

    def open_seed(self, run_id: str, record: TrialRecord, seed: int) -> str:
        """Open the run of one seed below that of its trial."""
        return self._tracking.trial_run(
            run_id,
            name=f"trial {record.name} seed {seed}",
            params={**record.notes.values, "seed": seed},
            tags={"sweeper.origin": "seed"},
        )

    def end_seed(self, run_id: str, scored: SeedScore | Result, *, ended: float | None) -> None:
        """Close the run of one seed."""
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            score=scored.score,
            parts=self._named(scored.accuracy),
            tags={"sweeper.stage": scored.stage or ""},
            ended=ended,
        )

    def log_epochs(self, run_id: str, epochs: Sequence[Epoch], training: Training) -> None:
        """Copy new epochs to the run that shows their curves."""
        groups = phase_groups(training.phases)
        self._tracking.log_epochs(run_id, epochs, groups=groups)

    def leave(self, run_id: str) -> None:
        """Mark a run whose trial goes on with the next driver."""
        self._tracking.finish_trial(run_id, status="KILLED")

    def end(
        self,
        run_id: str,
        verdict: Verdict,
        results: Sequence[Result],
        told: Notes,
        *,
        training: Training,
        ended: float | None,
    ) -> dict[str, str]:
        """Close the run of a trial with its final numbers; return the tags that it got.

        Args:
            run_id: Its run.
            verdict: What became of it.
            results: Of its jobs; none where their files are gone.
            told: What they gave.
            training: What it trained.
            ended: Of its last epoch; seconds since 1970.
        """
        complete = verdict.state is TrialState.COMPLETE
        tags: dict[str, str] = {}
        if complete and results:
            tags = _result_tags(training, results[0], told, self._config.kind.datasets)
        tags |= _failure_tags(verdict.failure, verdict.reason)
        self._tracking.finish_trial(
            run_id,
            status=MLFLOW_STATUS[verdict.state],
            score=verdict.score,
            parts=self._named(told.accuracy) if complete else {},
            metrics=self._final_metrics(told),
            tags=tags,
            ended=ended,
        )
        return tags

    def answer(self, record: TrialRecord, *, source: int | str | None) -> str:
        """Write the run of a trial that another one, ``source``, has answered; return its id."""
        return self._tracking.ended_trial(
            self._tracking.parent,
            name=f"trial {record.number}",
            number=record.number,
            score=record.score,
            parts=self._named(record.notes.accuracy),
            metrics=self._final_metrics(record.notes),
            params=record.notes.values,
            tags={
                "sweeper.proposed": record.notes.proposed,
                "sweeper.origin": "cached",
                "sweeper.source": f"trial {source}",
                **_failure_tags(record.notes.failure, record.notes.reason),
            },
            status=MLFLOW_STATUS[record.state],
        )

    def imported(self, record: TrialRecord, ended: float) -> None:
        """Write the run of a result from elsewhere, at this time. Seconds since 1970."""
        self._tracking.ended_trial(
            self._tracking.parent,
            name=f"imported {record.number}",
            score=record.score,
            parts=self._named(record.notes.accuracy),
            params=complete_values(self._config.space, record.params),
            tags={
                "sweeper.origin": "imported",
                "sweeper.source": str(record.notes.source or "not told"),
            },
            ended=ended,
        )

    def prefix(self, record: TrialRecord, *, ended: float | None) -> str:
        """Write the run of a shorter training whose last epoch ended then, and return its id."""
        return self._tracking.ended_trial(
            self._tracking.parent,
            name=f"trial {record.name}",
            score=record.score,
            parts=self._named(record.notes.accuracy),
            metrics=self._call_metrics(record.notes.calls or Calls()),
            params=record.notes.values,
            tags={
                "sweeper.origin": "shared prefix",
                "sweeper.source": f"trial {record.number}",
                "sweeper.stage": record.notes.stage or "",
            },
            ended=ended,
        )

    def finish_final(self, record: TrialRecord, final: Final) -> None:
        """Write what further seeds and questions gave to the run of a trial that has ended."""
        run_id = _run_of(record)
        for entry in final.seeds:
            self.end_seed(self.open_seed(run_id, record, entry.seed), entry, ended=None)
        parts = {f"final_{name}": value for name, value in self._named(final.accuracy).items()}
        spread = {} if final.spread is None else {"final_spread": final.spread}
        questions = f", {final.questions} questions" if final.questions else ""
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            metrics={"final_score": final.score, **parts, **spread},
            tags={"sweeper.final": f"{len(final.seeds)} seeds{questions}"},
        )

    def held_out(self, record: TrialRecord, result: Result) -> None:
        """Write what the held-out questions gave to the run of a trial that has ended.

        The time is that of the result's file: written again, these are the same points.
        """
        parts = {f"heldout_{name}": value for name, value in self._named(result.accuracy).items()}
        self._tracking.add_metrics(
            _run_of(record),
            {"heldout_score": result.score, **parts},
            at=(self._folder.confirmation(str(record.name)) / RESULT).stat().st_mtime,
        )

    def _named(self, accuracy: Mapping[str, float]) -> dict[str, float]:
        """The parts of a score under the names that MLflow gets."""
        return {self._config.nouns.key(part): value for part, value in accuracy.items()}

    def _final_metrics(self, told: Notes) -> dict[str, float]:
        """Calls and spread of a trial; nothing where it has no result."""
        if told.calls is None:
            return {}
        metrics = self._call_metrics(told.calls)
        return metrics if told.spread is None else {**metrics, "spread": told.spread}

    def _call_metrics(self, calls: Calls) -> dict[str, float]:
        """What answers cost; nothing where they cost no calls."""
        return call_metrics(calls) if self._config.can.asks or calls.needed else {}


def _result_tags(
    training: Training, result: Result, told: Notes, datasets: Mapping[str, str]
) -> dict[str, str]:
    """What a complete trial was made of, and how much of it was trained for it, as MLflow tags."""
    environment = result.environment
    trained, epochs = told.epochs_trained or 0, training.epochs
    origin = "trained" if trained >= epochs else "extended" if trained else "cached"
    digests = {name: environment.get(name) for name in datasets.values()}
    return {
        **{f"sweeper.{name}": value for name, value in digests.items() if value},
        "sweeper.origin": origin,
        "sweeper.stage": result.stage,
        **({"sweeper.torch": environment["torch"]} if "torch" in environment else {}),
    }


def _failure_tags(failure: str | None, reason: str) -> dict[str, str]:
    tags = {"sweeper.failure": failure or "", "sweeper.reason": reason}
    return {name: text for name, text in tags.items() if text}


def _run_of(record: TrialRecord) -> str:
    """The run of a trial; "" where MLflow was away when it was begun, or has lost it."""
    return record.notes.run_id or ""
