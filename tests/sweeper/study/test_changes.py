import json
from dataclasses import replace
from pathlib import Path

import pytest

from sweeper.errors import StudyChangedError
from sweeper.study.changes import enqueued_at, require_same_study
from sweeper.study.config import StudyConfig, changes, parse_study, stored_study

STUDY = """\
# Question: which step?
name: x
trainer:
  phases:
    - rce: {epochs: 5}
    - grpo: {lr: "${lr}", epochs: "${epochs}"}
parameters:
  lr: {min: 1e-5, max: 1e-2, log: true}
  epochs: {min: 1, max: 6}
baseline: {lr: 1e-4, epochs: 1}
controls: [random, start]
trials: 32
"""


def parse(text: str) -> StudyConfig:
    return parse_study(text, Path("study.yaml"))


def changed(old: str, new: str) -> list[tuple[str, bool]]:
    """Key and harmlessness of each change that replacing ``old`` by ``new`` makes."""
    assert old in STUDY
    found = changes(parse(STUDY), parse(STUDY.replace(old, new)))
    return [(change.key, change.harmless) for change in found]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("trials: 32", "trials: 64", "trials"),
        ("trials: 32", "trials: 16", "trials"),
        ("trials: 32", "title: another", "title"),
        ("which step?", "which step size?", "description"),
        ("trials: 32", "resources: {devices: cpu}", "resources.devices"),
        ("trials: 32", "best: {rule: significant}", "best.rule"),
        ("trials: 32", "stop: {no_gain: 20}", "stop.no_gain"),
        ("trials: 32", "mlflow: {experiment: other}", "mlflow.experiment"),
        ("trials: 32", "limits: {stall: 5m}", "limits.stall"),
        ("trials: 32", "retry: {judge: 5}", "retry.judge"),
        ("trials: 32", "keep: best", "keep"),
        ("trials: 32", "notify: [sh, tell.sh]", "notify"),
        ("trials: 32", "finalists: 8", "finalists"),
        ("[random, start]", "[start]", "controls"),
        ("[random, start]", "[random, start, nearest]", "controls"),
    ],
)
def test_what_changes_no_number_is_harmless(old: str, new: str, key: str) -> None:
    assert changed(old, new) == [(key, True)]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("epochs: 5", "epochs: 4", "trainer.phases[0].rce.epochs"),
        ('lr: "${lr}"', 'lr: "${lr}", kl_beta: 0.1', "trainer.phases[1].grpo.kl_beta"),
        ("max: 1e-2", "max: 1e-3", "parameters.lr.max"),
        (", log: true", "", "parameters.lr.log"),
        ("epochs: 1}", "epochs: 2}", "baseline.epochs"),
        ("trials: 32", "sampler: {seed: 1}", "sampler.seed"),
        ("trials: 32", 'stop_if: {kl: "> 5"}', "stop_if.kl"),
        ("trials: 32", "pruner: {name: median}", "pruner.name"),
        ("trials: 32", "order: free", "order"),
        ("trials: 32", "lag: 1", "lag"),
    ],
)
def test_what_changes_trials_or_proposals_is_not_harmless(old: str, new: str, key: str) -> None:
    assert (key, False) in changed(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials: 32", "trials: 32  # a comment"),
        ("epochs: 5", "epochs: 5, weight_decay: 1e-2"),
        ("trials: 32", "sampler: {name: tpe, seed: 0}"),
        ("[random, start]", "[start, random]"),
        ("1e-2", "0.01"),
    ],
)
def test_writing_out_a_default_or_writing_otherwise_is_no_change(old: str, new: str) -> None:
    assert changed(old, new) == []


ONE, OTHER = "{lr: 1e-3, epochs: 1}", "{lr: 1e-4, epochs: 2}"


@pytest.mark.parametrize(
    ("before", "after", "harmful"),
    [
        ([], [ONE, OTHER], set()),
        ([ONE], [ONE, OTHER], set()),
        ([ONE], [OTHER, ONE], {"enqueue[0].lr", "enqueue[0].epochs"}),
        ([ONE, OTHER], [ONE], {"enqueue[1].lr", "enqueue[1].epochs"}),
        ([ONE], [], {"enqueue", "enqueue[0].lr", "enqueue[0].epochs"}),
    ],
)
def test_settings_may_follow_the_enqueued_ones_and_replace_none(
    before: list[str], after: list[str], harmful: set[str]
) -> None:
    old, new = (parse(f"{STUDY}enqueue: [{', '.join(each)}]\n") for each in (before, after))
    found = changes(old, new)
    assert {change.key for change in found if not change.harmless} == harmful
    if harmful:
        with pytest.raises(StudyChangedError, match="Further settings go to the end of `enqueue`"):
            require_same_study(old.to_json(), new.to_json())


def test_what_was_enqueued_later_keeps_the_trial_before_which_it_was_added() -> None:
    first = parse(f"{STUDY}enqueue: [{ONE}]\n")
    assert enqueued_at(None, 1, number=0) == (0,)
    assert enqueued_at(first.to_json(), 3, number=5) == (0, 5, 5)
    later = replace(first, enqueue=first.enqueue * 3, enqueued_at=(0, 5, 5))
    assert enqueued_at(later.to_json(), 4, number=9) == (0, 5, 5, 9)
    stored = stored_study(json.loads(json.dumps(later.to_json())), first.path)
    assert stored.enqueued_at == (0, 5, 5)
    assert changes(first, later) == changes(first, replace(later, enqueued_at=()))


def test_another_order_of_the_parameters_is_a_change() -> None:
    lr, epochs = STUDY.splitlines()[7:9]
    assert changed(f"{lr}\n{epochs}", f"{epochs}\n{lr}") == [("parameters", False)]


def test_a_change_names_both_values() -> None:
    [change] = changes(parse(STUDY), parse(STUDY.replace("max: 1e-2", "max: 1e-3")))
    assert (change.old, change.new) == (0.01, 0.001)
    assert str(change) == "parameters.lr.max: 0.01 -> 0.001"
