"""The lab's metrics files and checkpoints: what belongs together, and what cannot be told."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fakes.lab_files import write_json, write_metrics

from sweeper.importing.lab import LabFiles, adaptation_steps, read_lab_files
from sweeper.importing.labels import Unclear, labels_of
from sweeper.results.evidence import gather
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, parse_study
from trainer.lab.export import write_lab_checkpoints
from trainer.policy.policy import PointerSelector

Invoke = Callable[..., Result]
STUDY = """\
name: seed
trainer:
  phases:
    - rce: {epochs: 5}
    - grpo: {lr: "${step}", kl_beta: "${kl}", epochs: "${epochs}", freeze: "${freeze}"}
parameters:
  step:   {min: 5e-6, max: 2e-5, log: true}
  kl:     {min: 0.1, max: 0.2}
  epochs: {min: 1, max: 3, fidelity: true}
  freeze: {values: [backbone, none]}
"""
CONFIG = parse_study(STUDY, Path("seed.yaml"))
GIVEN = {"step": "5e-6", "freeze": "backbone"}
SHOTS = (0.588, 0.566, 0.539, 0.552)


def told(**changes: Any) -> dict[str, Any]:
    """What the trainer says of a checkpoint."""
    return {"phase": "grpo", "epoch": 1, "kl_beta": 0.15, "digest": "abc", **changes}


def read(
    metrics: Sequence[Path],
    checkpoints: Mapping[Path, Mapping[str, Any]],
    given: Mapping[str, str] = GIVEN,
    config: StudyConfig = CONFIG,
) -> LabFiles:
    """Read metrics files beside checkpoints of which these facts are told; no such file is read."""
    files = [*checkpoints, *metrics]
    return read_lab_files(files, config, given, describe=lambda _: checkpoints)


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("grpo_kl015_unfrozen/grpo_epoch3.pt", {"kl_beta": 0.15, "epochs": 3, "freeze": "none"}),
        ("frozen/kl_beta=0.1/lr5e-6.json", {"kl_beta": 0.1, "lr": 5e-6, "freeze": "backbone"}),
        ("kl0145/metrics.json", {"kl_beta": 0.145}),
        ("kl1-epochs_2/m.json", {"kl_beta": 1.0, "epochs": 2}),
        ("kl1e-2/m.json", {"kl_beta": 0.01}),
        ("x/grpo_kl015.json", {"kl_beta": 0.15}),
        ("kl012/kl015/m.json", {"kl_beta": 0.15}),  # the nearest tells
        ("kl015_from_rce_kl012/rce_epoch5.pt", {"kl_beta": 0.15}),  # its start is another matter
        ("freeze_none/m.json", {"freeze": "none"}),
        ("no_freeze/m.json", {"freeze": "none"}),
        ("tackl5/lr1/repoch2.json", {}),
        ("kl02/x/y/m.json", {}),  # too far away
    ],
)
def test_a_path_tells_what_its_names_say(path: str, labels: dict[str, Any]) -> None:
    assert labels_of(Path("/a/b/c/d") / path) == labels


def test_a_name_with_two_values_tells_none() -> None:
    with pytest.raises(Unclear, match=r"'kl012_kl015.json' tells kl_beta 0.12 and 0.15"):
        labels_of(Path("/x/y/kl012_kl015.json"))
    assert labels_of(Path("/x/y/kl012_kl015.json"), without=["kl_beta"]) == {}


def test_labels_pair_and_the_checkpoint_says_what_was_applied(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "eval/kl015_epoch1/metrics.json", *SHOTS)
    right, epoch2, other = (
        tmp_path / f"ckpt/{name}" for name in (
            "kl015/grpo_epoch1.pt", "kl015/grpo_epoch2.pt", "kl012/grpo_epoch1.pt",
        )
    )  # fmt: skip
    found = read(
        [metrics], {right: told(kl_beta=0.1), epoch2: told(epoch=2), other: told(kl_beta=0.12)}
    )
    assert found.problems == []
    [row] = found.rows
    assert row.cells == {
        "step": 5e-6,
        "freeze": "backbone",
        "kl": 0.1,
        "epochs": 1,
        **{f"shot_{count}": value for count, value in enumerate(SHOTS, start=1)},
        "questions": 200,
        "source": "eval/kl015_epoch1/metrics.json: "
        "2025-12-11 10:00:00-test_data_num=200-LeverLMRetriever",
    }
    assert row.extra == {
        "checkpoint": {
            "file": "ckpt/kl015/grpo_epoch1.pt", "digest": "abc", "epoch": 1, "kl_beta": 0.1,
        },
        "mismatch": {"kl_beta": {"label": 0.15, "checkpoint": 0.1, "adaptation": -1}},
    }  # fmt: skip
    [line] = found.pairs
    assert f"<- {right} (by kl_beta 0.15, epochs 1); kl_beta is 0.1 in the checkpoint" in line
    assert found.unused == [f"{path}: no result belongs to it" for path in (epoch2, other)]


def test_an_epoch_that_is_not_that_of_the_name_is_a_mismatch(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "kl015/m.json", *SHOTS)
    found = read([metrics], {tmp_path / "kl015/grpo_epoch3.pt": told(epoch=2)})
    [row] = found.rows
    assert row.cells["epochs"] == 2
    assert row.extra["mismatch"] == {"epochs": {"label": 3, "checkpoint": 2}}


def test_a_bare_checkpoint_leaves_the_label_as_it_is(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "kl015/m.json", *SHOTS)
    facts = told(phase=None, epoch=None, kl_beta=None)
    [row] = read([metrics], {tmp_path / "kl015/epoch2.pt": facts}).rows
    assert (row.cells["kl"], row.cells["epochs"]) == (0.15, 2)
    assert "mismatch" not in row.extra


def test_where_kl_beta_adapts_the_label_is_the_setting(tmp_path: Path) -> None:
    config = parse_study(STUDY.replace('"${freeze}"', '"${freeze}", adaptive_kl: true'),
                         Path("s.yaml"))  # fmt: skip
    metrics = write_metrics(tmp_path / "kl015/m.json", *SHOTS)
    checkpoint = tmp_path / "kl015/grpo_epoch1.pt"
    [row] = read([metrics], {checkpoint: told(kl_beta=0.1)}, config=config).rows
    assert row.cells["kl"] == 0.15
    assert "mismatch" not in row.extra
    [row] = read([metrics], {checkpoint: told(kl_beta=0.12)}, config=config).rows
    assert row.extra["mismatch"]["kl_beta"]["adaptation"] is None


@pytest.mark.parametrize(
    ("label", "applied", "steps"),
    [(0.15, 0.1, -1), (0.1, 0.15, 1), (0.1, 0.225, 2), (0.15, 0.12, None), (0.0, 0.1, None)],
)
def test_adaptation_goes_by_steps_of_a_half(label: float, applied: float, steps: int) -> None:
    assert adaptation_steps(label, applied) == steps


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "kl015/m.json", *SHOTS)
    checkpoints = {tmp_path / f"kl015/grpo_epoch{n}.pt": told(epoch=n) for n in (1, 2)}
    [problem] = read([metrics], checkpoints).problems
    assert "(kl_beta 0.15, lr 5e-06, freeze backbone) may belong to" in problem
    assert "say more, as `--set epochs=1`" in problem
    found = read([metrics], checkpoints, {**GIVEN, "epochs": "2"})
    assert (found.problems, found.rows[0].cells["epochs"]) == ([], 2)


def test_a_result_without_its_checkpoint_is_not_guessed(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "kl012/m.json", *SHOTS)
    found = read([metrics], {tmp_path / "kl015/grpo_epoch1.pt": told()})
    assert found.rows == []
    assert (
        "(kl_beta 0.12, lr 5e-06, freeze backbone) belongs to none of the 1 checkpoints"
        in found.problems[0]
    )


def test_one_of_each_needs_no_label(tmp_path: Path) -> None:
    one = write_metrics(tmp_path / "results/m.json", *SHOTS)
    two = write_metrics(tmp_path / "others/m.json", *SHOTS)
    checkpoint = {tmp_path / "best/model.ckpt": told()}
    found = read([one], checkpoint)
    assert "(by the only ones)" in found.pairs[0]
    assert len(read([one, two], checkpoint).problems) == 2


def test_more_labels_count_before_nearness_and_nearness_before_nothing(tmp_path: Path) -> None:
    metrics = write_metrics(tmp_path / "a/kl015_epoch1/m.json", *SHOTS)
    near = tmp_path / "a/kl015_epoch1/model.pt"
    far = tmp_path / "b/kl015/grpo_epoch1.pt"
    farther = tmp_path / "b/c/kl015/grpo_epoch1.pt"
    vague = tmp_path / "a/kl015_epoch1/x/y/z/grpo_epoch1.pt"

    def chosen(*paths: Path) -> str:
        [line] = read([metrics], {path: told() for path in paths}).pairs
        return line.partition("<- ")[2].partition(" (")[0]

    assert chosen(far, farther) == str(far)
    assert chosen(farther, near) == str(near)
    assert chosen(vague, far) == str(far)  # fewer labels, though it lies nearer


def test_sets_of_questions_stay_apart_and_repeats_are_one(tmp_path: Path) -> None:
    metrics = tmp_path / "kl015/m.json"
    for questions, day in ((200, 11), (800, 12), (200, 13)):
        write_metrics(metrics, *SHOTS, questions=questions, day=day)
    found = read([metrics], {tmp_path / "kl015/grpo_epoch1.pt": told()})
    assert [row.cells["questions"] for row in found.rows] == [200, 800]
    write_metrics(metrics, 0.57, 0.561, 0.551, 0.552, day=14)
    [problem] = read([metrics], {tmp_path / "kl015/grpo_epoch1.pt": told()}).problems
    assert "has two results on 200 questions" in problem
    assert "nothing says which the checkpoint gave" in problem


def test_what_is_no_evaluation_of_a_policy_is_said(tmp_path: Path) -> None:
    metrics = write_json(
        tmp_path / "m.json",
        {
            "t-test_data_num=200-RandomRetriever": {"shot_num=1": 0.5},
            "t-test_data_num=-1-LeverLMRetriever": {"shot_num=1": 0.5},
            "notes": {"shot_num=1": 0.5},
            "t-test_data_num=200-LeverLMRetriever": {"cider": 0.5},
        },
    )
    found = read([metrics], {tmp_path / "grpo_epoch1.pt": told()})
    random = "t-test_data_num=200-RandomRetriever"
    assert found.unused == [f"{metrics}: {random}: chosen without a policy"]
    assert [p.split("'")[1] for p in found.problems] == [
        "notes", "t-test_data_num=200-LeverLMRetriever",
    ]  # fmt: skip
    assert "questions" not in found.rows[0].cells  # all of them: how many was not told


@pytest.mark.parametrize("content", ["", "[]", "{}", "{"])
def test_a_file_that_is_no_metrics_file_is_a_problem(tmp_path: Path, content: str) -> None:
    path = tmp_path / "m.json"
    path.write_text(content)
    assert str(path) in read([path], {tmp_path / "grpo_epoch1.pt": told()}).problems[0]


def test_checkpoints_that_are_no_trial_are_refused_once(tmp_path: Path) -> None:
    one = write_metrics(tmp_path / "kl015/m.json", *SHOTS)
    two = write_metrics(tmp_path / "kl012/m.json", *SHOTS)
    early, broken = tmp_path / "kl015/rce_epoch5.pt", tmp_path / "kl012/grpo_epoch1.pt"
    found = read(
        [one, two],
        {early: told(phase="rce"), broken: {"problem": f"{broken} is empty; copy it again"}},
    )
    assert found.problems == [
        f"{early}: is of phase rce, trials of 'seed' end with grpo; leave it out",
        f"{broken} is empty; copy it again",
    ]


# ---- through the command, with checkpoints that the trainer reads


def write_checkpoint(folder: Path, *, epoch: int, kl_beta: float, seed: int = 1) -> Path:
    policy = PointerSelector(width=12, hidden_dim=8)
    policy.initialise(seed)
    pt, _ = write_lab_checkpoints(
        folder, policy.state_dict(), epoch=epoch, phase="grpo", kl_beta=kl_beta,
        metrics={"val_loss": 4.2}, num_heads=1,
    )  # fmt: skip
    return pt


@pytest.fixture
def lab(tmp_path: Path) -> list[Path]:
    """The seed's winner, mislabelled, and one of the others."""
    (tmp_path / "seed.yaml").write_text(STUDY)
    return [
        write_checkpoint(tmp_path / "runs/kl015", epoch=1, kl_beta=0.1, seed=1),
        write_checkpoint(tmp_path / "runs/kl012", epoch=1, kl_beta=0.12, seed=2),
        write_metrics(tmp_path / "runs/kl015/metrics.json", *SHOTS),
        write_metrics(tmp_path / "runs/kl012/metrics.json", 0.57, 0.561, 0.551, 0.552),
    ]


def test_a_mislabelled_checkpoint_is_taken_for_what_it_is(
    invoke: Invoke, tmp_path: Path, lab: list[Path]
) -> None:
    options = ("--from", "lab", "--set", "step=5e-6", "--set", "freeze=backbone")
    done = invoke("import", "seed.yaml", *options, *lab)
    assert done.exit_code == 0, done.stderr
    assert "kl_beta is 0.1 in the checkpoint, 0.15 in the label" in done.stdout
    assert "seed: 2 results imported" in done.stdout
    winner, other = gather(Workspace(tmp_path).study("seed")).imported
    assert winner.params == {"step": 5e-6, "kl": 0.1, "epochs": 1, "freeze": "backbone"}
    assert winner.mismatch == {"kl_beta": {"label": 0.15, "checkpoint": 0.1, "adaptation": -1}}
    assert winner.source.startswith("runs/kl015/metrics.json: 2025-12-11")
    assert (other.params["kl"], other.mismatch) == (0.12, {})
    assert other.evaluation == winner.evaluation == "200 questions"


def test_every_problem_of_the_labs_files_is_said_and_nothing_written(
    invoke: Invoke, tmp_path: Path, lab: list[Path]
) -> None:
    lab[1].write_bytes(lab[1].read_bytes()[:100])
    done = invoke("import", "seed.yaml", "--from", "lab", *lab)
    assert done.exit_code == 2
    assert f"{lab[1]} is damaged" in done.stderr
    assert "no value for the parameter 'step'; `--set step=VALUE`" in done.stderr
    assert "no value for the parameter 'freeze'; `--set freeze=VALUE`" in done.stderr
    assert not (tmp_path / "sweeps").exists()


def test_a_metrics_file_is_read_as_json_says(tmp_path: Path) -> None:
    metrics = tmp_path / "kl015/m.json"
    metrics.parent.mkdir()
    metrics.write_bytes(b"\xef\xbb\xbf" + json.dumps(
        {"t-test_data_num=200-LeverLMRetriever": {"shot_num=1": 0.5, "cider": 1.0}}
    ).encode())  # fmt: skip
    [row] = read([metrics], {tmp_path / "kl015/grpo_epoch1.pt": told()}).rows
    assert row.cells["shot_1"] == 0.5
