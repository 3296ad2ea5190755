"""Commands that only look work on a workspace that cannot be written."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes.rights import without_rights
from fakes.started_study import finished_study

import sweeper.report.writing
import sweeper.results.comparison  # noqa: F401 - found before the rights to look for it are gone
from sweeper.cli import cli
from sweeper.store.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    finished_study(tmp_path)
    places = [tmp_path, *(path for path in tmp_path.rglob("*"))]
    for path in tmp_path.parents:  # to be entered by whoever has no rights
        path.chmod(path.stat().st_mode | 0o011)
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield tmp_path
    for path in places:
        path.chmod(0o755)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("show", "kl_lr", "1"), "trial 1 of kl_lr: complete"),
        (("best", "kl_lr"), "trial 1: 62.5 %"),
        (("export", "kl_lr", "--all"), "trial,"),
        (("export", "kl_lr"), "trial: 1"),
        (("status", "kl_lr"), "(finished)"),
        (("ls",), "(finished)"),
        (("compare", "kl_lr", "0", "1"), "trial 1"),
    ],
)
def test_a_read_only_workspace_is_read(
    workspace: Path, command: tuple[str, ...], told: str
) -> None:
    with without_rights():
        done = CliRunner().invoke(cli, ["--workspace", str(workspace), *command])
    assert done.exit_code == 0, done.output
    assert told in done.output


def test_a_report_of_a_read_only_workspace_goes_elsewhere(workspace: Path, tmp_path: Path) -> None:
    command = ["--workspace", str(workspace), "report", "kl_lr"]
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.mkdir()
    elsewhere.chmod(0o777)
    CliRunner().invoke(cli, [*command, "--output", str(elsewhere / "first")])  # finds all modules
    (workspace / "sweeps" / "kl_lr" / "study.lock").chmod(0o444)
    with without_rights():
        refused = CliRunner().invoke(cli, command)
        done = CliRunner().invoke(cli, [*command, "--output", str(elsewhere / "own")])
    assert refused.exit_code == 2
    assert "cannot be written: Permission denied; --output names another folder" in refused.output
    assert done.exit_code == 0, done.output
    assert "not in MLflow: " in done.output
    assert "cannot be written: Permission denied" in done.output
    assert "report.en.html" in os.listdir(elsewhere / "own")  # noqa: PTH208


def test_a_driver_at_work_is_seen_by_whoever_may_only_read(workspace: Path) -> None:
    folder = Workspace(workspace).study("kl_lr")
    folder.root.chmod(0o755)
    with folder.locked():
        folder.root.chmod(0o555)
        with without_rights():
            assert folder.is_locked()
    with without_rights():
        assert not folder.is_locked()
