"""What a study writes while MLflow is away: StudyRuns on a database that a test takes away."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from sweeper.errors import TrackingAway, TrackingError

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass
class Line:
    """MLflow's client, as long as somebody answers."""

    client: "MlflowClient"
    is_up: bool = True
    calls: int = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from mlflow.exceptions import MlflowException

        self.calls += 1
        if not self.is_up:
            raise MlflowException(f"API request to /{name} failed with exception: refused")
        return cast(Callable[..., Any], getattr(self.client, name))


@dataclass
class Scene:
    """A study of which `mend` opens the run and writes trial 9."""

    line: Line
    said: list[str] = field(default_factory=list)
    now: float = 0.0
    looks: int = 0

    def __post_init__(self) -> None:
        from sweeper.store.tracking.enduring import Tracking

        self.tracking: Tracking = Tracking(
            self.connect, say=self.said.append, clock=lambda: self.now
        )

    def connect(self) -> Any:
        from sweeper.store.tracking.runs import StudyRuns

        if not self.line.is_up:
            raise TrackingAway("MLflow cannot be reached")
        return StudyRuns(cast(Any, self.line), "0", now=lambda: 1.0)

    def mend(self) -> str:
        self.looks += 1
        parent = self.tracking.study_run("s", study_id="s1")
        self.tracking.trial_run(parent, name="trial 9")
        return "MLflow lacked the run of 1 trial"

    def names(self) -> set[str | None]:
        return {run.info.run_name for run in self.line.client.search_runs(["0"])}


@pytest.fixture
def scene(empty_database: Path, tmp_path: Path) -> Scene:
    from mlflow import MlflowClient

    database = Path(shutil.copyfile(empty_database, tmp_path / "mlflow.db"))
    return Scene(Line(MlflowClient(f"sqlite:///{database}")))


def test_mlflow_that_is_there_gets_everything_and_is_mended_once(scene: Scene) -> None:
    scene.tracking.mend_with(scene.mend)
    scene.tracking.trial_run(scene.tracking.parent, name="trial 0")
    scene.now = 1000.0
    scene.tracking.trial_run(scene.tracking.parent, name="trial 1")
    scene.tracking.finish_study(status="FINISHED")
    assert scene.names() == {"s", "trial 9", "trial 0", "trial 1"}
    assert (scene.said, scene.looks) == (["MLflow lacked the run of 1 trial"], 1)


def test_while_mlflow_is_away_nothing_is_written_and_it_is_looked_for_now_and_then(
    scene: Scene,
) -> None:
    scene.tracking.mend_with(scene.mend)
    run = scene.tracking.trial_run(scene.tracking.parent, name="trial 0")
    scene.line.is_up = False
    assert scene.tracking.trial_run(scene.tracking.parent, name="trial 1") == ""
    assert scene.said[1] == (
        "MLflow does not answer: the run of trial 1 could not be opened. The study goes on, and "
        "what MLflow misses is written when it is back, or by the next `sweeper run` or "
        "`sweeper repair`"
    )
    calls = scene.line.calls
    scene.tracking.finish_trial(run, status="FINISHED")
    assert scene.line.calls == calls
    scene.now = 31.0
    scene.tracking.finish_trial(run, status="FINISHED")
    assert scene.looks == 2
    scene.tracking.finish_trial(run, status="FINISHED")
    assert scene.looks == 2
    scene.tracking.finish_study(status="FINISHED")
    assert scene.looks == 3  # the end does not wait
    assert len(scene.said) == 2


def test_mlflow_that_is_back_gets_what_it_missed_before_anything_else(scene: Scene) -> None:
    scene.tracking.mend_with(scene.mend)
    scene.line.is_up = False
    scene.tracking.trial_run(scene.tracking.parent, name="trial 0")
    scene.line.is_up = True
    assert scene.tracking.trial_run(scene.tracking.parent, name="trial 1") == ""
    assert "trial 1" not in scene.names()  # it is not looked at again so soon
    scene.now = 31.0
    assert scene.tracking.trial_run(scene.tracking.parent, name="trial 2") != ""
    assert scene.looks == 2
    assert len(scene.said) == 3


def test_mlflow_that_comes_late_gets_the_studys_run_then(scene: Scene) -> None:
    scene.line.is_up = False
    with pytest.raises(TrackingAway) as away:
        scene.tracking.open()
    scene.tracking.endure(away.value)
    scene.tracking.mend_with(scene.mend)
    assert scene.looks == 0
    assert (scene.tracking.parent, scene.tracking.experiment_id) == ("", "")
    assert scene.tracking.deep_link("http://h") == ""
    assert scene.tracking.trial_run(scene.tracking.parent, name="trial 0") == ""
    scene.line.is_up = True
    scene.now = 31.0
    scene.tracking.log_epochs("", [])
    assert scene.names() == {"s", "trial 9"}
    assert scene.tracking.experiment_id == "0"
    assert [line.partition(". ")[0] for line in scene.said] == [
        "MLflow cannot be reached",
        "MLflow lacked the run of 1 trial",
    ]


def test_a_run_that_was_never_opened_holds_no_other_up_and_is_written_later(scene: Scene) -> None:
    scene.tracking.mend_with(scene.mend)
    scene.tracking.finish_trial("", status="FINISHED")
    assert scene.tracking.trial_run(scene.tracking.parent, name="trial 1") != ""
    assert scene.looks == 1
    scene.tracking.finish_study(status="FINISHED")
    assert scene.looks == 2


def test_what_mlflow_refuses_is_an_error_as_ever(scene: Scene) -> None:
    scene.tracking.mend_with(scene.mend)
    with pytest.raises(TrackingError, match="no-such-run"):
        scene.tracking.finish_trial("no-such-run", status="FINISHED")
