from pathlib import Path

import pytest

from sweeper.search.of_study import search_of
from sweeper.search.plan import plan_study, plan_text
from sweeper.study.config import parse_study

GRID = """
name: grid
trainer:
  phases:
    - rce:  {epochs: 5}
    - grpo: {lr: "${lr}", epochs: "${epochs}"}
  evaluate: {questions: 100, holdout: 200}
parameters:
  lr: {values: [1e-4, 1e-3]}
  epochs: {min: 1, max: 3}
sampler: {name: grid}
trials: 10
"""


def test_a_grid_is_counted_exactly_with_shared_beginnings_once() -> None:
    config = parse_study(GRID, Path("grid.yaml"))
    planned = plan_study(config, search_of(config, lag=8))
    assert planned.space_size == planned.trials == len(planned.settings) == 6
    assert planned.epochs == 5 + 2 * 3  # RCE once, then three epochs of each lr
    assert planned.epochs_alone == 6 * 5 + 2 * (1 + 2 + 3)
    evaluation = 100 * 4
    sampled = 1600 * 8 * 4
    assert planned.calls == (
        5 * evaluation + 6 * (sampled + evaluation)  # stages
        + 2 * evaluation + 100 * 4 * 7  # controls beside the start, and the probe
        + 2 * 200 * 4  # start and best on the held-out questions
        + 16 * (1600 + 400)  # recorded rollouts
    )  # fmt: skip
    assert planned.saved_by_stages == (
        (6 - 1) * 5 * evaluation  # RCE of every trial but the first
        + (2 * (1 + 2 + 3) - 6) * (sampled + evaluation)  # epochs that longer trials go through
    )


def test_a_sampler_that_learns_is_foretold_up_to_its_lag() -> None:
    config = parse_study(GRID.replace("name: grid}", "name: tpe}"), Path("grid.yaml"))
    planned = plan_study(config, search_of(config, lag=4))
    assert (len(planned.settings), planned.trials) == (4, 10)


def test_the_text_says_hours_for_a_price_of_a_call() -> None:
    config = parse_study(GRID, Path("grid.yaml"))
    planned = plan_study(config, search_of(config, lag=8))
    text = plan_text(config, slots=2, seconds_a_call=1.3)
    hours = planned.calls * 1.3 / 2 / 3600
    assert f"reader time at 1.3 s a call: {hours:.1f} hours" in text
    assert "epochs to train: 11 (42 if every trial trained alone)" in text
    saved = planned.saved_by_stages
    assert f"{planned.calls:,.0f} at most; stages that trials share save {saved:,.0f}" in text
    assert "  trial 0 (sampled): " in text


def test_questions_that_are_no_sample_are_a_warning() -> None:
    history = GRID.replace("{questions: 100, holdout: 200}", "{first: 100, holdout: 200}")
    texts, calls = [], []
    for text in (GRID, history):
        config = parse_study(text, Path("grid.yaml"))
        texts.append(plan_text(config, slots=2, seconds_a_call=0))
        calls.append(plan_study(config, search_of(config, lag=8)).calls)
    assert calls[0] == calls[1]
    warning = "warning: evaluate.first: the first 100 questions in the order of the file are no"
    assert [warning in text for text in texts] == [False, True]


FILES = """
name: files
trainer:
  task: {name: files, rollouts: "${data}", embeddings: e.npy}
  start: "${start}"
  phases:
    - rce:  {epochs: 5}
    - grpo: {epochs: 2}
  evaluate: {score: validation_loss}
parameters:
  data: {values: [a.json, b.json]}
  start: {values: [a.pt, b.pt]}
sampler: {name: grid}
trials: 10
"""


def test_other_data_or_another_start_checkpoint_share_no_stage() -> None:
    config = parse_study(FILES, Path("files.yaml"))
    planned = plan_study(config, search_of(config, lag=8))
    assert planned.epochs == planned.epochs_alone == 2 * 2 * (5 + 2)
    one = FILES.replace('"${start}"', "a.pt")
    one = one.replace("  start: {values: [a.pt, b.pt]}\n", "")
    config = parse_study(one, Path("files.yaml"))
    assert plan_study(config, search_of(config, lag=8)).epochs == 2 * (5 + 2)


@pytest.mark.parametrize(
    "evaluate", ["{score: validation_loss}", "{reader: recorded}", '{command: ["{checkpoint}"]}']
)
def test_a_judge_that_is_no_reader_costs_no_calls(evaluate: str) -> None:
    text = FILES.replace("{score: validation_loss}", evaluate)
    config = parse_study(text, Path("files.yaml"))
    assert plan_study(config, search_of(config, lag=8)).calls == 0


def test_a_loss_costs_the_calls_that_record_and_sample_all_the_same() -> None:
    text = GRID.replace("{questions: 100, holdout: 200}", "{score: validation_loss}")
    config = parse_study(text, Path("grid.yaml"))
    planned = plan_study(config, search_of(config, lag=8))
    assert planned.calls == 6 * 1600 * 8 * 4 + 16 * (1600 + 400)
