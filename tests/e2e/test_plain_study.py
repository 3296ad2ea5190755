"""Studies of a trainer without shots, questions, calls, controls and per cent: what is said of them
makes sense, and what makes none for such a trainer is not said.

One is scored by a number that goes down, the other by the mean of two metrics that goes up.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fakes.plain_trainer import PlainTrainer
from mlflow import MlflowClient

from sweeper.cli import cli

STUDY = """\
name: {name}
trainer: {{rate: "${{rate}}", halvings: "${{steps}}", parts: {parts}}}
parameters:
  rate: {{min: 0.1, max: 0.9}}
  steps: {{values: [1, 2]}}
baseline: {{rate: 0.5, steps: 2}}
enqueue: [{{rate: 0.3, steps: 2}}, {{rate: 0.8, steps: 1}}]
trials: 3
resources: {{devices: cpu, slots_per_device: 1}}
"""
MAKE_NO_SENSE = (  # in any language
    *("shot", "reader", "call", "question", "control", "held", "nats", "%", "points", "asked"),
    *("per cent", "demonstration", "问题", "百分", "对照", "保留", "读者"),
)


class Plain:
    """Both studies, run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran = {}
        for name, parts in (("rest", "false"), ("reward", "true")):
            file = root / f"{name}.yaml"
            file.write_text(STUDY.format(name=name, parts=parts))
            self.ran[name] = self.told("run", str(file))

    def told(self, *arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(cli, ["--workspace", str(self.root), *arguments])
        assert done.exit_code == code, f"{done.output}{done.exception!r}"
        return done.output


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Plain]:
    root = tmp_path_factory.mktemp("plain")
    shutil.copyfile(empty_database, root / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweeper.trainers.builtin.BuiltinTrainer", PlainTrainer)
        yield Plain(root)


def senseless(text: str) -> list[str]:
    text = text.replace("# Question:", "")  # what the next study asks
    return [word for word in MAKE_NO_SENSE if word in text.lower()]


@pytest.mark.parametrize("name", ["rest", "reward"])
def test_no_command_speaks_of_what_the_trainer_has_not(plain: Plain, name: str) -> None:
    said = plain.ran[name]
    for command in ("status", "best", "next", "export"):
        said += plain.told(command, name)
    said += plain.told("plan", str(plain.root / f"{name}.yaml"), "--cost", "3")
    said += plain.told("show", name, "1") + plain.told("export", name, "--all")
    said += plain.told("compare", name, "best", "baseline")
    assert senseless(said) == [], said


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["rest", "reward"])
def test_no_report_does(plain: Plain, name: str, language: str) -> None:
    told = plain.told("report", name, "--lang", language, "--format", "md")
    page = plain.root / "sweeps" / name / "report" / f"report.{language}.md"
    assert senseless(told + page.read_text()) == []


def test_a_number_that_goes_down_is_shown_as_it_is(plain: Plain) -> None:
    ranking = [line.split() for line in plain.ran["rest"].splitlines() if line.startswith("trial")]
    assert ranking == [
        ["trial", "1", "0.3", "2", "0.09", "-0.16"],
        ["trial", "0", "(baseline)", "0.5", "2", "0.25", "+0"],
        ["trial", "2", "0.8", "1", "0.8", "+0.55"],
    ]
    assert plain.told("status", "rest") == (
        "rest: 3 complete of 3 trials, 0 running; best: trial 1, 0.09 (finished)\n"
    )
    assert plain.told("best", "rest") == "trial 1: 0.09  rate=0.3 steps=2\n"
    verdict = plain.told("report", "rest", "--format", "md").splitlines()[0]
    assert "leads 3 settings with 0.09, -0.16 from the baseline; with one number" in verdict


def test_parts_stand_under_their_names_in_the_order_of_the_trainer(plain: Plain) -> None:
    [head, *lines] = plain.told("export", "reward", "--all").splitlines()
    assert head == "trial,origin,state,rate,steps,score,math,gsm8k"
    assert lines[0] == "0,trained,complete,0.5,2,-48.75,2.5,-100.0"
    assert "score           -17.55 (by metrics math: 0.9, gsm8k: -36)" in plain.told(
        "show", "reward", "1"
    )
    compared = plain.told("compare", "reward", "best", "baseline")
    assert "  gsm8k                                        -36            -100" in compared
    assert "trial 0 is -31.2 from trial 1\n" in compared


def test_a_part_that_goes_another_way_chooses_another_trial(plain: Plain) -> None:
    assert plain.told("best", "reward").startswith("trial 1: -17.55")
    assert plain.told("best", "reward", "--by", "math").startswith("trial 2: 8  ")
    refused = plain.told("best", "reward", "--by", "shot_1", code=2)
    assert refused == "Error: --by shot_1: study 'reward' has math, gsm8k\n"
    assert "has none: its score is the mean of no others" in plain.told(
        "best", "rest", "--by", "math", code=2
    )


def test_mlflow_has_the_metrics_by_their_names(plain: Plain) -> None:
    client = MlflowClient(f"sqlite:///{plain.root / 'mlflow.db'}")
    [experiment] = [e for e in client.search_experiments() if e.name == "reward"]
    [run] = client.search_runs([experiment.experiment_id], "tags.`mlflow.runName` = 'trial 0'")
    finals = {name: value for name, value in run.data.metrics.items() if "/" not in name}
    assert finals == {"score": -48.75, "math": 2.5, "gsm8k": -100.0}
    [view] = [v for k, v in experiment.tags.items() if k.startswith("mlflow.sharedViewState.")]
    columns = json.loads(json.loads(view)["state"])["selectedColumns"]
    assert columns[:3] == ["metrics.`score`", "metrics.`math`", "metrics.`gsm8k`"]


def test_confirm_says_why_there_is_nothing_to_confirm_on(plain: Plain) -> None:
    assert plain.told("confirm", "rest", code=2) == (
        "Error: study 'rest' holds nothing out: its score is none of questions; there is nothing "
        "to confirm it on\n"
    )
