from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from sweeper.errors import TrackingAway, TrackingError
from sweeper.store.tracking.enduring import EnduringTracking


@dataclass
class Server:
    """Notes what it is given, unless it is away."""

    is_away: bool = False
    taken: list[tuple[Any, ...]] = field(default_factory=list)
    looks: int = 0

    def _take(self, *call: Any) -> str:
        self.looks += 1
        if self.is_away:
            raise TrackingAway("MLflow's server does not answer: a run could not be opened")
        self.taken.append(call)
        return f"run {len(self.taken)}"

    def trial_run(self, parent: str, *, name: str) -> str:
        return self._take(parent, name)

    def finish_trial(self, run_id: str, *, status: str) -> None:
        self._take(run_id, status)

    def finish_study(self, run_id: str, *, status: str) -> None:
        self._take(run_id, status)

    def written(self) -> None:
        raise TrackingError("refused")


@dataclass
class Scene:
    """A study whose mender writes one thing."""

    server: Server
    said: list[str] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        endured: Any = EnduringTracking(
            cast(Any, self.server), say=self.said.append, clock=lambda: self.now
        )
        self.tracking = endured
        endured.mend_with(self.mend)

    def mend(self) -> str:
        self.tracking.trial_run("study", name="mended")
        return "MLflow lacked the run of 1 trial"


@pytest.fixture
def scene() -> Scene:
    return Scene(Server())


def test_a_server_that_answers_gets_everything(scene: Scene) -> None:
    assert scene.tracking.trial_run("study", name="trial 0") == "run 1"
    assert scene.said == []


def test_while_the_server_is_away_nothing_is_written_and_it_is_looked_for_now_and_then(
    scene: Scene,
) -> None:
    scene.server.is_away = True
    assert scene.tracking.trial_run("study", name="trial 0") == ""
    scene.tracking.finish_trial("", status="FINISHED")
    assert scene.server.looks == 1
    [told] = scene.said
    assert "The study goes on, and what MLflow misses is written when it is back" in told
    scene.now = 31.0
    scene.tracking.finish_trial("run", status="FINISHED")
    assert scene.server.looks == 2  # the mender's
    assert scene.tracking.finish_study("study", status="FINISHED") == ""
    assert scene.server.looks == 3  # the end does not wait
    assert len(scene.said) == 1


def test_a_server_that_is_back_gets_what_it_missed_before_anything_else(scene: Scene) -> None:
    scene.server.is_away = True
    scene.tracking.trial_run("study", name="trial 0")
    scene.server.is_away = False
    scene.tracking.trial_run("study", name="trial 1")
    assert scene.server.taken == []  # it is not looked at again so soon
    scene.now = 31.0
    scene.tracking.finish_trial("run 9", status="FINISHED")
    assert scene.server.taken == [("study", "mended"), ("run 9", "FINISHED")]
    assert scene.said[1] == "MLflow lacked the run of 1 trial"


def test_a_run_that_was_never_opened_is_mended_after_it_was_told(scene: Scene) -> None:
    scene.tracking.finish_trial("", status="FINISHED")
    assert scene.server.taken == []
    scene.tracking.finish_study("study", status="FINISHED")
    assert scene.server.taken == [("study", "mended"), ("study", "FINISHED")]


def test_what_a_server_refuses_is_an_error_as_ever(scene: Scene) -> None:
    with pytest.raises(TrackingError, match="refused"):
        scene.tracking.written()
