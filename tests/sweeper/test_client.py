import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sweeper import client

Tell = Callable[[], list[dict[str, object]]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tell:
    """What the program told since, where a study listens."""
    path = tmp_path / "report.jsonl"
    monkeypatch.setenv("SWEEPER_REPORT", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines() if line]


def study_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: object) -> None:
    path = tmp_path / "params.json"
    path.write_text(json.dumps(values))
    monkeypatch.setenv("SWEEPER_PARAMS", str(path))


def test_outside_of_a_study_params_are_the_defaults() -> None:
    assert client.params(lr=1e-4, epochs=3) == {"lr": 1e-4, "epochs": 3}


def test_the_studys_values_replace_defaults_and_come_on_top(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_values(tmp_path, monkeypatch, {"lr": 0.01, "freeze": "none"})
    assert client.params(lr=1e-4, epochs=3) == {"lr": 0.01, "epochs": 3, "freeze": "none"}


def test_a_whole_number_becomes_a_float_where_the_default_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study_values(tmp_path, monkeypatch, {"kl_beta": 1, "epochs": 2, "shuffle": True})
    found = client.params(kl_beta=0.5, epochs=1, shuffle=0.0)
    assert {name: type(value) for name, value in found.items()} == {
        "kl_beta": float,
        "epochs": int,
        "shuffle": bool,
    }


def test_params_that_cannot_be_read_name_variable_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.json").write_text('{"lr": ')
    monkeypatch.setenv("SWEEPER_PARAMS", str(tmp_path / "params.json"))
    with pytest.raises(RuntimeError, match=r"SWEEPER_PARAMS=.*params\.json cannot be read"):
        client.params()


def test_the_seed_is_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.seed(7) == 7
    monkeypatch.setenv("SWEEPER_SEED", "3")
    assert client.seed(7) == 3


def test_numbers_of_any_library_are_told(told: Tell) -> None:
    client.report(step=np.int64(2), loss=np.float32(0.5), count=3, is_good=True)  # type: ignore[arg-type]
    assert told() == [
        {"format": 1, "step": 2, "metrics": {"loss": 0.5, "count": 3, "is_good": 1.0}}
    ]


def test_nan_and_infinity_are_told(told: Tell) -> None:
    client.report(loss=float("nan"), bound=float("-inf"))
    [line] = told()
    assert str(line["metrics"]) == "{'loss': nan, 'bound': -inf}"


def test_scores_are_told_by_question_and_group(told: Tell) -> None:
    client.report(scores={3: True, "b": np.float64(0.25)}, group="gsm8k")
    client.done(accuracy=0.5)
    assert told() == [
        {"format": 1, "metrics": {}, "scores": {"3": 1.0, "b": 0.25}, "group": "gsm8k"},
        {"format": 1, "metrics": {"accuracy": 0.5}},
    ]


@pytest.mark.parametrize("value", ["0.5", None, [0.5], np.ones(2)])
def test_what_is_no_number_is_refused_by_name(value: object, told: Tell) -> None:
    with pytest.raises(TypeError, match=r"report\(loss=\.\.\.\) must be a number, but got"):
        client.report(step=1, loss=value)


@pytest.mark.parametrize("step", [0.5, float("nan"), float("inf")])
def test_a_step_is_a_whole_number(step: float, told: Tell) -> None:
    with pytest.raises(TypeError, match=r"report\(step=\.\.\.\) must be a whole number"):
        client.report(step=step)  # type: ignore[arg-type]


def test_a_line_that_was_torn_damages_no_later_one(told: Tell, tmp_path: Path) -> None:
    (tmp_path / "report.jsonl").write_text('{"metrics": {"lo')
    client.report(step=1, loss=0.5)
    *_, last = (tmp_path / "report.jsonl").read_text().splitlines()
    assert json.loads(last)["metrics"] == {"loss": 0.5}


def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    code = (
        "from sweeper.client import report\n"
        "for step in range(50): report(step=step, scores={i: step for i in range(500)})"
    )
    path = tmp_path / "report.jsonl"
    environment = {**os.environ, "SWEEPER_REPORT": str(path)}

    def run(_: int) -> None:
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)

    with ThreadPoolExecutor() as threads:
        list(threads.map(run, range(3)))
    lines = [json.loads(line) for line in path.read_text().splitlines() if line]
    assert sorted(line["step"] for line in lines) == sorted([*range(50)] * 3)


def test_outside_of_a_study_what_is_told_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    client.report(step=3, loss=0.25)
    client.report(scores={"a": 1.0, "b": 0.0}, group="math")
    assert capsys.readouterr().out == "step 3  loss 0.25\n2 scores of math\n"


def test_a_program_should_stop_once_the_file_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not client.should_stop()
    monkeypatch.setenv("SWEEPER_STOP", str(tmp_path / "stop"))
    assert not client.should_stop()
    (tmp_path / "stop").touch()
    assert client.should_stop()


def test_it_works_as_a_copy_beside_a_script(tmp_path: Path) -> None:
    shutil.copy(str(client.__file__), tmp_path / "client.py")
    (tmp_path / "train.py").write_text(
        "import sys, client\nclient.report(step=1, loss=client.params(lr=2.0)['lr'])\n"
        "print(sorted(name for name in sys.modules if name.startswith('sweeper')))"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r});"]
    command[-1] += "import runpy; runpy.run_path('train.py', run_name='__main__')"
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "step 1  loss 2\n[]\n"


def test_importing_it_imports_nothing_else() -> None:
    code = (
        "import sys; old = set(sys.modules); import sweeper.client; print(*set(sys.modules) - old)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"sweeper", "sweeper.client", "__future__"}


def test_it_has_the_syntax_of_python_3_8() -> None:
    source = Path(str(client.__file__)).read_text()
    ast.parse(source, feature_version=(3, 8))
    with pytest.raises(SyntaxError):  # the check sees what is newer
        ast.parse("match x:\n  case 1: pass", feature_version=(3, 8))
