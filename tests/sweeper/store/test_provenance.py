import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from sweeper.store.provenance import code_tags

ALWAYS = {
    "mlflow.source.name": "größe 2.yaml",
    "mlflow.source.type": "LOCAL",
    "sweeper.version": version("sweeper"),
}


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    path = tmp_path / "größe 2.yaml"
    path.write_text("name: x\n")
    return path


def git(folder: Path, *command: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
    done = subprocess.run(
        ["git", *identity, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def commit(study: Path) -> str:
    git(study.parent, "init", "--quiet")
    git(study.parent, "add", ".")
    git(study.parent, "commit", "--quiet", "--message", "first")
    return git(study.parent, "rev-parse", "HEAD")


def test_outside_of_a_repository_there_is_no_commit(study: Path) -> None:
    assert code_tags(study) == ALWAYS


def test_a_repository_without_a_commit_gives_none(study: Path) -> None:
    git(study.parent, "init", "--quiet")
    assert code_tags(study) == ALWAYS


def test_a_clean_repository_gives_its_commit(study: Path) -> None:
    tags = {"mlflow.source.git.commit": commit(study), "sweeper.uncommitted": "false"}
    assert code_tags(study) == {**ALWAYS, **tags}


def test_a_changed_file_is_uncommitted_and_a_new_one_is_not(study: Path) -> None:
    commit(study)
    (study.parent / "new.txt").touch()
    assert code_tags(study)["sweeper.uncommitted"] == "false"
    study.write_text("name: y\n")
    assert code_tags(study)["sweeper.uncommitted"] == "true"


def test_looking_changes_nothing_in_the_repository(study: Path) -> None:
    commit(study)
    os.utime(study, (1e9, 1e9))  # makes git want to write the new time into its index
    index = study.parent / ".git" / "index"
    before = index.read_bytes()
    code_tags(study)
    assert index.read_bytes() == before


def test_without_git_there_is_no_commit(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(study)
    monkeypatch.setenv("PATH", str(study.parent))
    assert code_tags(study) == ALWAYS
