"""How people and other programs hear from the driver: lines, and the state of `state.json`."""

import time
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from sweeper.config import StudyConfig
from sweeper.driver.open_trial import OpenTrial
from sweeper.ranking import params_text, score_text
from sweeper.recorder import Recorder
from sweeper.records import TrialRecord, TrialState
from sweeper.snapshot import snapshot
from sweeper.study_store import StudyStore
from sweeper.verdict import Verdict
from sweeper.workspace import StudyFolder


class Progress(Protocol):
    """Where the driver tells what happens."""

    def say(self, line: str) -> None:
        """Something happened."""

    def show(self, state: Mapping[str, Any]) -> None:
        """The state as `state.json` has it has changed."""


class Announcer:
    """Tells of one study what its store holds and what runs."""

    def __init__(
        self,
        config: StudyConfig,
        *,
        folder: StudyFolder,
        store: StudyStore,
        recorder: Recorder,
        experiment: str,
        slots: int,
        progress: Progress,
    ) -> None:
        self._config = config
        self._folder = folder
        self._store = store
        self._recorder = recorder
        self._experiment = experiment
        self._slots = slots
        self._progress = progress

    def say(self, line: str) -> None:
        """Say that something happened."""
        self._progress.say(line)

    def say_done(self, number: int, verdict: Verdict, *, seconds: float) -> None:
        """Say what became of a trial."""
        ended = sum(r.state is not TrialState.RUNNING for r in self._store.proposals())
        outcome = (
            verdict.state.value
            if verdict.score is None
            else score_text(verdict.score, self._config.goal)
        )
        if verdict.failure is not None:
            outcome = f"failed ({verdict.failure}): {verdict.reason};"
        values = self._store.record(number).notes["values"]
        self.say(
            f"[{ended}/{self._config.trials}] trial {number} {outcome} {params_text(values)} "
            f"({seconds:.1f} s)"
        )

    def write_state(
        self,
        state: str,
        open_trials: Collection[OpenTrial],
        *,
        best: TrialRecord | None = None,
        **more: Any,
    ) -> None:
        """Write `state.json` and show it."""
        running = [
            trial.state(self._store.record(trial.number).notes["values"]) for trial in open_trials
        ]
        content = {
            **snapshot(self._config, self._store.records(), running, state=state, best=best),
            "experiment": self._experiment,
            "slots": self._slots,
            "reader_calls": self._recorder.calls(),
            "updated": time.time(),
            **more,
        }
        self._folder.write_state(content)
        self._progress.show(content)
