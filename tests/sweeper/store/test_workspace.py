import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import StudyLockedError, SweeperError, UsageError
from sweeper.store.study_folder import answers_place
from sweeper.store.trial_folder import prepare_job
from sweeper.store.workspace import Workspace, checked_server
from sweeper.trainers import Surroundings
from sweeper.trainers.builtin.training import BuiltinTraining
from trainer.contract import AnswersPlace, TrainSpec, read_job, read_json, read_result


def started(tmp_path: Path, *names: str) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    for name in names:
        folder = workspace.study(name)
        folder.root.mkdir()
        folder.study_file.write_text(f"name: {name}\n")
    return workspace


def training(lr: float = 1e-3) -> BuiltinTraining:
    return BuiltinTraining(TrainSpec.model_validate({"phases": [{"rce": {"lr": lr}}]}))


def job(*, lr: float = 1e-3, answers: tuple[str, str] | None = None) -> dict[str, Any]:
    return training(lr).job(Surroundings(stages=Path("stages"), answers=answers))


@pytest.mark.parametrize("name", ["kl_lr", "größe 2", "研究", "a.b-c"])
def test_a_study_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    assert started(tmp_path, name, "other").find(name).name == name


def test_an_unknown_study_gets_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no study 'kl_rl' .* did you mean 'kl_lr'"):
        started(tmp_path, "kl_lr", "freeze").find("kl_rl")


def test_without_a_near_name_all_studies_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="studies here: freeze, kl_lr"):
        started(tmp_path, "kl_lr", "freeze").find("zzz")


def test_the_lock_is_held_once_and_vanishes_with_its_process(tmp_path: Path) -> None:
    folder = started(tmp_path, "a").study("a")
    code = (
        "import sys; from pathlib import Path; from sweeper.store.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).study('a').locked():\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    assert folder.is_locked()
    with pytest.raises(StudyLockedError, match="another `sweeper run`"), folder.locked():
        pass
    holder.kill()
    holder.communicate()
    assert not folder.is_locked()
    with folder.locked():
        pass


def test_a_workspace_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "sweeps").write_text("a file where the folder should be")
    with pytest.raises(SweeperError, match=r"cannot write to the workspace .*--workspace"):
        Workspace(tmp_path).prepare()


def test_a_trial_folder_of_the_same_job_keeps_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    prepare_job(folder, job())
    (folder / "result.json").write_text('{"score": 0.5}')
    (folder / "stop").touch()
    prepare_job(folder, job())
    assert read_json(folder / "result.json") == {"score": 0.5}
    assert not (folder / "stop").exists()


def test_a_trial_folder_of_another_job_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    prepare_job(folder, job())
    (folder / "result.json").write_text('{"score": 0.5}')
    prepare_job(folder, job(lr=2e-3))
    assert read_json(folder / "result.json") is None
    assert read_job(folder).spec == training(2e-3).spec


def test_a_job_whose_answers_moved_is_the_same_job(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    prepare_job(folder, job(answers=("file", "../answers.db")))
    (folder / "result.json").write_text('{"score": 0.5}')
    server = ("server", "postgresql://host/answers")
    prepare_job(folder, job(answers=server))
    assert read_json(folder / "result.json") == {"score": 0.5}
    assert read_job(folder).answers == AnswersPlace(*server)


def test_answers_lie_in_a_file_beside_a_shared_one_or_on_the_server() -> None:
    path, url = Path("answers.db"), "postgresql://host/answers"
    places = [
        answers_place(path, server=server, on_network=on_network)
        for server, on_network in ((None, False), (None, True), (url, True))
    ]
    assert places == [
        ("file", "answers.db"),
        ("appended", "answers.db"),
        ("server", url),
    ]


def test_the_jobs_of_a_workspace_name_its_answers(tmp_path: Path) -> None:
    url = "postgresql://host/answers"
    for server in (None, url):
        study = Workspace(tmp_path, server).study("a")
        place = study.trial(0)
        prepare_job(place, training().job(study.surroundings(place, device="cpu")))
        found = read_job(study.trial(0)).answers
        file = AnswersPlace("file", str(tmp_path / "sweeps" / "answers.db"))
        assert found == (file if server is None else AnswersPlace("server", url))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///hunter2.db", "must be the URL of a PostgreSQL database"),
        ("host=hunter2", "must be the URL of a PostgreSQL database"),
        ("postgresql://[hunter2/db", "must be the URL of a PostgreSQL database"),
        ("postgresql://me:hunter2@host/db", "leave the password out of the URL"),
        ("postgresql://host/db?password=hunter2", "leave the password out of the URL"),
        ("postgresql://host/db?sslpassword=hunter2", "leave the password out of the URL"),
    ],
)
def test_a_url_that_may_not_stand_in_every_job_is_refused_unquoted(url: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        checked_server(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_a_result_that_is_no_object_counts_as_missing(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    assert read_result(tmp_path) is None


def test_a_job_of_an_earlier_format_is_the_same_job(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    prepare_job(folder, {key: value for key, value in job().items() if key != "format"})
    (folder / "result.json").write_text('{"score": 0.5}')
    prepare_job(folder, job())
    assert read_json(folder / "result.json") == {"score": 0.5}
