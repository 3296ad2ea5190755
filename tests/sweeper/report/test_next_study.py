from typing import Any

from fakes.evidence_rows import STUDY, study

from sweeper.findings import Finding
from sweeper.report.next_study import next_study
from sweeper.study.config import parse_study

KL = {"seen": "0.08", "real": "0.001", "trials": 3}
BASELINE = "baseline: {step: 1e-4, pull: 0.1, length: 2, what: none}\n"


def finding(**change: Any) -> Finding:
    return Finding(kind="kl_is_noise", level="warning", facts=KL, change=change)


def suggested(*found: Finding, more: str = "", **options: Any) -> str:
    config = study(more)
    text = next_study(config, STUDY + more, found, **options)
    parse_study(text, config.path)  # raises where it is no study
    return text


def test_a_change_is_worked_in_with_its_reason() -> None:
    text = suggested(finding(**{"trainer.phases.1.grpo.dropout": 0.0}))
    assert "# - The KL measures dropout: trainer.phases.1.grpo.dropout 0.0" in text
    assert "dropout: 0.0" in text
    assert text.index("controls:") < text.index("trainer:")
    assert "name: rows_next" in text


def test_a_change_that_the_file_cannot_hold_is_left_out() -> None:
    assert suggested(finding(**{"parameters.step.max": 1e-6})) == suggested()


def test_of_two_changes_to_one_key_the_weightier_stands() -> None:
    text = suggested(
        finding(**{"parameters.step.max": 0.1}), finding(**{"parameters.step.max": 1.0})
    )
    assert parse_study(text, study().path).space.parameters[0].bounds[1] == 0.1


def test_numbers_that_yaml_takes_for_text_stay_numbers() -> None:
    assert parse_study(suggested(more=BASELINE), study().path).baseline is not None


def test_the_best_setting_is_tried_first_without_what_became_fixed() -> None:
    best = {"step": 2e-3, "pull": 0.2, "length": 3, "what": "none"}
    text = suggested(finding(**{"parameters.pull": {"value": 0.1}}), best=best)
    [enqueued] = parse_study(text, study().path).enqueue
    assert "pull" not in enqueued
    assert enqueued["step"] == 2e-3


def test_a_setting_is_removed_where_the_change_says_so() -> None:
    more = STUDY.replace('what}"}', 'what}", rollouts: recorded, curriculum: [3]}')
    text = next_study(
        parse_study(more, study().path),
        more,
        [finding(**{"trainer.phases.1.grpo.curriculum": None})],
    )
    assert "curriculum" not in text.split("name:")[1]
    assert "no trainer.phases.1.grpo.curriculum" in text
