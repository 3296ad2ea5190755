import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from fakes.started_study import files_in, finished_study, start_study

from sweeper.cli import Commands
from sweeper.errors import SweeperError, UsageError
from sweeper.store.workspace import Workspace
from trainer.contract import LOG

PROGRAM = [sys.executable, "-c", "from sweeper.cli import cli; cli()"]
NAMES = ("kl_lr", "größe 2", "研究")
OF_A_STUDY = {
    "status": ["status", "{}"],
    "status --json": ["status", "{}", "--json"],
    "show": ["show", "{}", "0"],
    "logs": ["logs", "{}", "0"],
    "logs -f": ["logs", "{}", "0", "-f"],
    "best": ["best", "{}"],
    "export": ["export", "{}"],
    "export --all": ["export", "{}", "--all"],
}
COMMANDS = {
    "best",
    "cancel",
    "compare",
    "confirm",
    "export",
    "gc",
    "import",
    "init",
    "logs",
    "ls",
    "next",
    "plan",
    "repair",
    "report",
    "retry",
    "run",
    "schema",
    "show",
    "slots",
    "status",
    "stop",
    "ui",
    "validate",
}
Invoke = Callable[..., Result]


def test_help_lists_every_command_in_a_line(invoke: Invoke) -> None:
    done = invoke("--help")
    listed = {line.split()[0] for line in done.stdout.split("Commands:\n")[1].splitlines()}
    assert listed == COMMANDS


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_help(invoke: Invoke, command: str) -> None:
    done = invoke(command, "--help")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"Usage: cli {command} ")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom sweeper.cli import cli\n"
        "try:\n    cli(['--help'])\n"
        "except SystemExit:\n    print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded
    assert not loaded & {"torch", "mlflow", "optuna", "pydantic", "numpy", "rich", "yaml"}


@pytest.mark.parametrize("arguments", OF_A_STUDY.values(), ids=OF_A_STUDY)
def test_an_unknown_study_gets_the_nearest_name(
    invoke: Invoke, tmp_path: Path, arguments: list[str]
) -> None:
    root = tmp_path / "sweeps" / "kl_lr"
    root.mkdir(parents=True)
    (root / "study.yaml").touch()
    done = invoke(*(argument.format("kl_rl") for argument in arguments))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"Error: no study 'kl_rl' in {tmp_path / 'sweeps'}; did you mean 'kl_lr'? "
        "(--workspace looks elsewhere)\n"
    )


@pytest.mark.parametrize("arguments", OF_A_STUDY.values(), ids=OF_A_STUDY)
def test_a_missing_workspace_is_said_and_not_created(
    invoke: Invoke, tmp_path: Path, arguments: list[str]
) -> None:
    done = invoke("--workspace", "nowhere", *(argument.format("x") for argument in arguments))
    assert done.exit_code == 2
    assert f"no study 'x' in {tmp_path / 'nowhere' / 'sweeps'}; studies here: none" in done.stderr
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("command", ["ls", "status"])
def test_a_workspace_that_is_a_file_is_refused(
    invoke: Invoke, tmp_path: Path, command: str
) -> None:
    (tmp_path / "file").touch()
    done = invoke("--workspace", "file", command, *(["x"] if command == "status" else []))
    assert done.exit_code == 2
    assert "Directory 'file' is a file." in done.stderr


def test_the_environment_names_the_workspace_and_the_option_outweighs_it(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPER_HOME", str(tmp_path / "home"))
    assert invoke("ls").stdout == f"no studies in {tmp_path / 'home' / 'sweeps'}\n"
    other = tmp_path / "other"
    assert invoke("--workspace", other, "ls").stdout == f"no studies in {other / 'sweeps'}\n"


def test_the_environment_names_the_server_of_the_answers(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPER_ANSWERS", "mysql://host/answers")
    done = invoke("ls")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "SWEEPER_ANSWERS, must be the URL of a PostgreSQL database" in done.stderr
    assert invoke("--answers", "postgresql://host/answers", "ls").exit_code == 0
    monkeypatch.setenv("SWEEPER_ANSWERS", "")
    assert invoke("ls").exit_code == 0


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_study_works_with_every_command(
    invoke: Invoke, tmp_path: Path, name: str
) -> None:
    finished_study(tmp_path, name)
    summary = f"{name}: 2 complete, 1 failed of 3 trials, 0 running; best: trial 1, 62.5 %"
    assert invoke("ls").stdout == f"{summary} (finished)\n"
    assert invoke("status", name).stdout == f"{summary} (finished)\n"
    assert json.loads(invoke("status", name, "--json").stdout)["study"] == name
    assert invoke("best", name).stdout == "trial 1: 62.5 %  lr=0.001 epochs=2 freeze=none\n"
    assert invoke("logs", name, "0").stdout == "step 1\n"
    assert invoke("logs", name, "0", "--follow").stdout == "step 1\n"
    assert invoke("show", name, "0").stdout.startswith(f"trial 0 of {name}: complete\n")
    assert yaml.safe_load(invoke("export", name).stdout)["study"] == name


def test_a_study_is_found_by_its_file_too(invoke: Invoke, tmp_path: Path) -> None:
    folder = finished_study(tmp_path)
    copy = tmp_path / "mine.yaml"
    copy.write_bytes(folder.study_file.read_bytes())
    assert invoke("best", copy).stdout.startswith("trial 1: 62.5 %")


def test_a_file_that_cannot_be_opened_is_one_line_with_exit_code_one(
    invoke: Invoke, tmp_path: Path
) -> None:
    folder = finished_study(tmp_path)
    log = folder.trial(0) / LOG
    log.unlink()
    log.mkdir()
    done = invoke("logs", "kl_lr", "0")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: {log}: Is a directory\n"


@pytest.mark.parametrize("trial", ["-1", "one", "1.5"])
def test_a_trial_is_a_number(invoke: Invoke, trial: str) -> None:
    assert invoke("show", "kl_lr", trial).exit_code == 2


def test_a_reader_that_goes_away_ends_a_command_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "schema"], stdout=writing, stderr=subprocess.PIPE, check=False, cwd=tmp_path
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "ls"], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.startswith("Error: No space left on device\n")
    assert "Traceback" not in done.stderr


def test_run_with_a_gpu_that_is_not_here_stops_with_what_there_is(
    invoke: Invoke, tmp_path: Path
) -> None:
    invoke("init", "mine.yaml")
    text = (tmp_path / "mine.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("{devices: auto,", "{devices: [90],"))
    done = invoke("run", "mine.yaml")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: `resources.devices` asks for GPU 90, but the GPUs that")
    assert "Traceback" not in done.stderr


def test_run_in_a_workspace_that_cannot_be_written_stops_at_once(
    invoke: Invoke, tmp_path: Path
) -> None:
    invoke("init", "mine.yaml")
    (tmp_path / "sweeps").write_text("a file")
    done = invoke("run", "mine.yaml")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: cannot write to the workspace {tmp_path / 'sweeps'}: ")
    assert done.stderr.count("\n") == 1


def test_run_on_a_study_that_another_driver_has_says_so(invoke: Invoke, tmp_path: Path) -> None:
    folder = start_study(tmp_path)
    with folder.locked():
        done = invoke("run", folder.study_file)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "another `sweeper run` works on 'kl_lr'" in done.stderr


@pytest.mark.parametrize("trials", ["0", "-3", "many"])
def test_run_wants_a_total_of_at_least_one(invoke: Invoke, tmp_path: Path, trials: str) -> None:
    (tmp_path / "mine.yaml").touch()
    assert invoke("run", "mine.yaml", "--trials", trials).exit_code == 2


def test_ui_without_a_study_says_what_to_do(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("ui", "--port", "65535")
    assert done.exit_code == 2
    assert f"{tmp_path / 'mlflow.db'} does not exist: no study has been run here" in done.stderr
    assert files_in(tmp_path) == []


def test_the_files_of_a_study_are_left_alone_by_every_command_that_reads(
    invoke: Invoke, tmp_path: Path
) -> None:
    folder = finished_study(tmp_path)
    with folder.locked():
        pass  # leaves the lock's file, as a driver does

    def contents() -> dict[str, bytes]:
        root = Workspace(tmp_path).sweeps
        return {
            name: (root / name).read_bytes()
            for name in files_in(root)
            if (root / name).is_file() and not name.endswith(("-shm", "-wal"))
        }

    before = contents()
    for arguments in OF_A_STUDY.values():
        assert invoke(*(argument.format("kl_lr") for argument in arguments)).exit_code == 0
    assert contents() == before


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (SweeperError("said"), 1, "Error: said\n"),
        (UsageError("said"), 2, "Error: said\n"),
        (PermissionError(13, "Permission denied", "/a/b"), 1, "Error: /a/b: Permission denied\n"),
        (OSError("no number"), 1, "Error: no number\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_an_error_that_was_foreseen_is_one_message_and_an_exit_code(
    error: BaseException, exit_code: int, message: str
) -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    done = CliRunner().invoke(group, ["fail"])
    assert (done.exit_code, done.stdout, done.stderr) == (exit_code, "", message)


def test_an_error_that_was_not_foreseen_keeps_its_traceback() -> None:
    @click.group(cls=Commands)
    def group() -> None:
        pass

    @group.command()
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CliRunner().invoke(group, ["fail"], catch_exceptions=False)
