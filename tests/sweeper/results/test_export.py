import json
import shlex
from pathlib import Path

import pytest
import yaml

from sweeper.errors import UsageError
from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.results.best import Best
from sweeper.results.choosing import Tie
from sweeper.results.export import configuration, write_checkpoint, write_trial_folder
from sweeper.study.config import parse_study
from trainer.contract import TrainSpec, read_job

CONFIG = parse_study(
    """
name: export
trainer:
  phases:
    - grpo: {lr: "${lr}", freeze: "${freeze}", kl_beta: "${kl_beta}"}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  freeze: {values: [backbone, none]}
  kl_beta: {min: 0.01, max: 0.3, when: {freeze: none}, otherwise: 0.15}
""",
    Path("export.yaml"),
)
RECORDS = [
    TrialRecord(
        number=0,
        params={"lr": 1e-3, "freeze": "backbone"},
        state=TrialState.COMPLETE,
        score=0.7,
        notes=Notes(stage="key0", device="cpu"),
    ),
    TrialRecord(
        number=1,
        params={"lr": 1e-4, "freeze": "none", "kl_beta": 0.02},
        state=TrialState.COMPLETE,
        score=0.6,
        notes=Notes(stage="key1", device="cuda"),
    ),
    TrialRecord(number=2, params={"lr": 1e-4, "freeze": "backbone"}, state=TrialState.FAILED),
]
BEST = Best(record=RECORDS[0], score=0.7, rule="highest")


def test_the_best_configuration_has_the_values_of_inactive_parameters_too() -> None:
    best = configuration(CONFIG, RECORDS, BEST)
    assert dict(best.params) == {"lr": 1e-3, "freeze": "backbone", "kl_beta": 0.15}
    assert best.training.spec.phases[0].grpo is not None
    assert best.training.spec.phases[0].grpo.kl_beta == 0.15


def test_yaml_and_json_read_back_to_the_same_object() -> None:
    best = configuration(CONFIG, RECORDS, BEST)
    as_json = json.loads(best.render("json"))
    assert list(as_json) == ["study", "trial", "score", "params", "spec"]
    assert yaml.safe_load(best.render("yaml")) == as_json
    assert TrainSpec.model_validate(as_json["spec"]) == best.training.spec


def test_how_it_was_chosen_stands_between_its_score_and_its_parameters() -> None:
    by = Best(
        record=RECORDS[1],
        score=0.65,
        rule="significant",
        by="shot_2",
        tie=Tie(count=3, settings=9, questions=800),
    )
    told = json.loads(configuration(CONFIG, RECORDS, by).render("json"))
    assert list(told)[2:7] == ["score", "rule", "by", "may_be_best", "params"]
    assert (told["score"], told["rule"], told["by"], told["may_be_best"]) == (
        *(0.65, "significant", "shot_2"),
        3,
    )


def test_env_and_args_are_words_of_a_shell() -> None:
    best = configuration(CONFIG, RECORDS, BEST)
    assert best.render("env") == "LR=0.001\nFREEZE=backbone\nKL_BETA=0.15"
    assert shlex.split(best.render("args")) == [
        *("--lr", "0.001"),
        *("--freeze", "backbone"),
        *("--kl_beta", "0.15"),
    ]


def test_another_complete_trial_can_be_asked_for() -> None:
    assert configuration(CONFIG, RECORDS, None, trial="1").score == 0.6


@pytest.mark.parametrize(("trial", "message"), [("2", "is failed"), ("9", "does not exist")])
def test_a_trial_that_is_not_complete_is_refused(trial: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"trial {trial} of study 'export' {message}"):
        configuration(CONFIG, RECORDS, None, trial=trial)


def test_nothing_complete_is_refused_with_the_counts() -> None:
    with pytest.raises(UsageError, match=r"no complete trial to export \(0 running, 0 complete"):
        configuration(CONFIG, RECORDS[2:], None)


def test_the_trial_folder_has_its_own_stages(tmp_path: Path) -> None:
    write_trial_folder(configuration(CONFIG, RECORDS, BEST), tmp_path / "again")
    job = read_job(tmp_path / "again")
    assert job.stages == tmp_path / "again" / "stages"
    assert job.spec == configuration(CONFIG, RECORDS, BEST).training.spec
    assert job.device == "cpu"
    write_trial_folder(configuration(CONFIG, RECORDS, None, trial="1"), tmp_path / "on_cuda")
    assert read_job(tmp_path / "on_cuda").device == "cuda"


def test_a_folder_that_holds_something_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is not an empty folder"):
        write_trial_folder(configuration(CONFIG, RECORDS, BEST), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_checkpoint_comes_with_its_configuration(tmp_path: Path) -> None:
    stage = tmp_path / "stages" / "key0"
    stage.mkdir(parents=True)
    (stage / "policy.safetensors").write_bytes(b"weights")
    write_checkpoint(configuration(CONFIG, RECORDS, BEST), tmp_path / "stages", tmp_path / "best")
    assert (tmp_path / "best" / "policy.safetensors").read_bytes() == b"weights"
    written = json.loads((tmp_path / "best" / "configuration.json").read_text())
    assert written["trial"] == 0


def test_a_checkpoint_that_is_gone_is_said_with_the_way_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"stage key0 of trial 0 is not in .*--trial-dir"):
        write_checkpoint(configuration(CONFIG, RECORDS, BEST), tmp_path, tmp_path / "best")
