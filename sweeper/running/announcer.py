"""How people and other programs hear from the driver: lines, and the state of `state.json`."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from sweeper.records import CALLS_KEY, State, TrialRecord, TrialState
from sweeper.running.open_trial import OpenTrial
from sweeper.running.recorder import Recorder
from sweeper.running.verdict import Verdict
from sweeper.store.snapshot import snapshot
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.config import StudyConfig
from sweeper.words import params_text


class Progress(Protocol):
    """Where the driver tells what happens."""

    def say(self, line: str) -> None:
        """Something happened."""

    def show(self, state: State) -> None:
        """The state as `state.json` has it has changed."""


@dataclass(slots=True, kw_only=True)
class Announcer:
    """Tells of one study what its store holds and what runs. Nothing of that stops the study."""

    config: StudyConfig
    folder: StudyFolder
    store: StudyStore
    recorder: Recorder
    experiment: Callable[[], str]  # MLflow's id; "" while that was never there
    slots: Callable[[], int]  # how many there are now
    progress: Progress
    _has_warned: bool = False

    def say(self, line: str) -> None:
        """Say that something happened."""
        self.progress.say(line)

    def say_done(self, number: int, verdict: Verdict, *, seconds: float) -> None:
        """Say what became of a trial."""
        states = [record.state for record in self.store.proposals()]
        ended = len(states) - states.count(TrialState.RUNNING)
        outcome = (
            verdict.state.value if verdict.score is None else self.config.scale.text(verdict.score)
        )
        if verdict.state is TrialState.PRUNED:
            outcome = f"pruned ({verdict.reason})"
        if verdict.failure is not None:
            outcome = f"failed ({verdict.failure}): {verdict.reason};"
        values = self.store.record(number).values
        self.say(
            f"[{ended}/{self.config.trials}] trial {number} {outcome} {params_text(values)} "
            f"({seconds:.1f} s)"
        )

    def write_state(
        self,
        state: str,
        open_trials: Collection[OpenTrial],
        *,
        best: TrialRecord | None = None,
        more: State | None = None,
    ) -> None:
        """Write `state.json` and show it; `more` is written beside what is known here."""
        running = [trial.state(self.store.record(trial.number).values) for trial in open_trials]
        content: State = {
            **snapshot(self.config, self.store.records(), running, state=state, best=best),
            "slots": self.slots(),
            CALLS_KEY: self.recorder.calls().model_dump(),
            "updated": time.time(),
            **(more or {}),
        }
        if experiment := self.experiment():
            content["experiment"] = experiment
        try:
            self.folder.write_state(content)
        except OSError as error:  # it is a copy, for `status`: the study has it all
            if not self._has_warned:
                self._has_warned = True
                self.say(
                    f"warning: {error.filename or self.folder.root}: {error.strerror}; until it "
                    "can be written `sweeper status` shows an older state"
                )
        self.progress.show(content)
