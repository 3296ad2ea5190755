import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.started_study import complete, state_of, unfinished
from rich.console import Console
from rich.text import Text

from sweeper.cli.display import LiveDisplay, PlainDisplay, live_table, open_display, print_summary
from sweeper.outcomes import Calls, Result, Scores
from sweeper.records import TrialRecord, TrialState
from sweeper.results.table import rows
from sweeper.running.summary import Summary
from sweeper.scales import NATS, PER_CENT
from sweeper.store.study_folder import StudyFolder
from sweeper.trainers.builtin.nouns import SHOTS

ACCURACY = {str(shots): 0.4 for shots in (1, 2, 3, 4)}
CONTROLS = {name: Scores(score=0.4, accuracy=ACCURACY) for name in ("nearest", "random")}
CONFIRMED = {
    label: Result(
        score=score,
        accuracy=ACCURACY,
        questions=800,
        stage="",
        reader_calls=Calls(),
        epochs_trained=0,
        environment={},
    )
    for label, score in (("start", 0.5), ("baseline", 0.55), ("best", 0.625))
}
LINK = "http://127.0.0.1:5000/#/experiments/1"


def console(width: int, *, terminal: bool = True) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, _environ={}
    )


def printed(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    text = Text.from_ansi(console.file.getvalue()).plain
    return [line.rstrip() for line in text.splitlines()]


def summary(
    *records: TrialRecord, study: str = "kl_lr", interrupted: bool = False, **changes: Any
) -> Summary:
    return Summary(
        study=study,
        interrupted=interrupted,
        records=records,
        table=rows(records, CONTROLS, goal="maximize", scale=PER_CENT),
        measure="accuracy in per cent",
        parts={"1": "1 shot", "2": "2 shots", "3": "3 shots", "4": "4 shots"},
        nouns=SHOTS,
        confirmed=changes.get("confirmed", {}),
        link=LINK,
        chosen=changes.get("chosen", ""),
    )


def shown(content: Summary, width: int, *, terminal: bool = True) -> list[str]:
    target = console(width, terminal=terminal)
    print_summary(content, target)
    return printed(target)


TRIALS = (complete(0, 0.55, lr=1e-4, epochs=1), complete(1, 0.625, lr=8.237e-5), complete(2, 0.5))
WIDE = """
kl_lr: accuracy in per cent
                          lr epochs freeze score 1 shot 2 shots 3 shots 4 shots vs baseline
control nearest                             40.0   40.0    40.0    40.0    40.0       -15.0
control random                              40.0   40.0    40.0    40.0    40.0       -15.0

trial 1            8.237e-05      2   none  62.5   62.5    62.5    62.5    62.5        +7.5
trial 0 (baseline)    0.0001      1   none  55.0   55.0    55.0    55.0    55.0        +0.0
trial 2                0.001      2   none  50.0   50.0    50.0    50.0    50.0        -5.0

on 800 held-out questions: start 50.0, baseline 55.0, best 62.5 %
3 complete
compare: mlflow ui     then http://127.0.0.1:5000/#/experiments/1
report:  sweeper report kl_lr
export:  sweeper export kl_lr""".splitlines()


def test_a_wide_terminal_shows_every_column_under_its_full_name() -> None:
    assert shown(summary(*TRIALS, confirmed=CONFIRMED), 140) == WIDE


def test_a_log_file_gets_the_widest_table_whatever_its_width() -> None:
    assert shown(summary(*TRIALS, confirmed=CONFIRMED), 40, terminal=False) == WIDE


def test_eighty_columns_get_short_names_and_no_wrapped_line() -> None:
    assert shown(summary(*TRIALS), 80)[1:8] == [
        "kl_lr: accuracy in per cent, 1-4 by shots",
        "trial               lr epochs freeze score    1    2    3    4  diff",
        "nearest                               40.0 40.0 40.0 40.0 40.0 -15.0",
        "random                                40.0 40.0 40.0 40.0 40.0 -15.0",
        "",
        "1            8.237e-05      2   none  62.5 62.5 62.5 62.5 62.5  +7.5",
        "0 (baseline)    0.0001      1   none  55.0 55.0 55.0 55.0 55.0  +0.0",
    ]


def test_many_parameters_fold_within_a_column_of_their_own() -> None:
    values = {f"parameter_{number}": number / 7 for number in range(5)}
    wordy = replace(TRIALS[1], notes=TRIALS[1].notes.model_copy(update={"values": values}))
    lines = shown(summary(wordy), 80)
    header = "trial   score    1    2    3    4 parameters"
    assert lines[2] == header
    assert lines[6] == "1        62.5 62.5 62.5 62.5 62.5 parameter_0=0 parameter_1=0.1429"
    margin = " " * header.index("parameters")
    assert lines[7] == f"{margin}parameter_2=0.2857 parameter_3=0.4286"
    assert max(map(len, lines[:9])) <= 80


def test_without_a_baseline_there_is_no_empty_column() -> None:
    assert "vs baseline" not in "\n".join(shown(summary(complete(1, 0.5)), 140))


def test_the_table_ends_after_ten_trials_and_says_so() -> None:
    lines = shown(summary(*(complete(number, number / 20) for number in range(13))), 140)
    assert sum(line.startswith("trial ") for line in lines) == 10
    assert "... and 3 more" in lines


def test_a_best_that_is_not_simply_the_highest_is_explained_below_the_counts() -> None:
    lines = shown(summary(*TRIALS, chosen="trial 2 is the mildest of 3 settings"), 140)
    assert lines[lines.index("3 complete") + 1] == "best: trial 2 is the mildest of 3 settings"


def test_an_interrupted_study_says_how_to_go_on_and_what_is_left() -> None:
    trials = (*TRIALS, unfinished(3), unfinished(4, TrialState.FAILED))
    lines = shown(summary(*trials, interrupted=True), 80)
    counts = lines.index("3 complete, 1 failed, 1 to resume")
    assert lines[counts + 1] == "interrupted; the same command goes on from here"


def test_a_study_without_a_complete_trial_has_no_table_and_nothing_to_export() -> None:
    assert shown(summary(unfinished(0, TrialState.FAILED)), 80) == [
        "",
        "0 complete, 1 failed",
        f"compare: mlflow ui     then {LINK}",
    ]


def test_the_export_command_can_be_pasted_for_any_name() -> None:
    lines = shown(summary(*TRIALS, study="größe 2"), 80)
    assert lines[-1] == "export:  sweeper export 'größe 2'"


LOSSES = """
kl_lr: validation loss in nats
                       lr epochs freeze  score vs baseline
control random                          5.2500     +0.2500
control start                           5.1000     +0.1000

trial 1             0.001      2   none 4.8000     -0.2000
trial 0 (baseline) 0.0001      2   none 5.0000     +0.0000
2 complete""".splitlines()


def loss_lines(width: int) -> list[str]:
    trials = [
        replace(trial, notes=trial.notes.model_copy(update={"accuracy": {}}))
        for trial in (complete(0, 5.0, lr=1e-4), complete(1, 4.8))
    ]
    controls = {
        name: Scores(score=score, accuracy={}) for name, score in (("random", 5.25), ("start", 5.1))
    }
    table = rows(trials, controls, goal="minimize", scale=NATS)
    losses = replace(summary(*trials), table=table, measure="validation loss in nats", parts={})
    return shown(losses, width)


def test_losses_stand_in_nats_the_lowest_first_and_without_shots() -> None:
    assert loss_lines(70)[: len(LOSSES)] == LOSSES


def test_a_narrow_terminal_shows_losses_under_short_names() -> None:
    assert loss_lines(55)[1:4] == [
        "kl_lr: validation loss in nats",
        "trial            lr epochs freeze  score    diff",
        "random                            5.2500 +0.2500",
    ]


def test_the_live_table_shows_a_loss_in_nats(state: dict[str, Any]) -> None:
    lines = live_lines({**state, "goal": "minimize"}, 80)
    assert lines[0].endswith("best: trial 0, 0.6250 nats")
    assert lines[2] == "    1    1/3  0.5000        2  lr=0.002 epochs=3 freeze=backbone"


def live_lines(state: dict[str, Any], width: int, *, waited: float = 0.0) -> list[str]:
    target = console(width)
    target.print(live_table(state, waited=waited))
    return printed(target)


@pytest.fixture
def state() -> dict[str, Any]:
    return state_of(StudyFolder(Path("sweeps/kl_lr"), Path("sweeps/stages")))


def test_the_live_table_counts_the_seconds_since_the_state_was_written(
    state: dict[str, Any],
) -> None:
    assert live_lines(state, 80, waited=40.0) == [
        "kl_lr: 1 complete of 8 trials, 1 running; best: trial 0, 62.5 %",
        "trial  epoch  score  seconds  parameters",
        "    1    1/3   50.0       42  lr=0.002 epochs=3 freeze=backbone",
    ]


def test_a_narrow_terminal_cuts_the_parameters_and_wraps_nothing(state: dict[str, Any]) -> None:
    assert live_lines(state, 50) == [
        "kl_lr: 1 complete of 8 trials, 1 running; best: t…",
        "trial  epoch  score  seconds  parameters",
        "    1    1/3   50.0        2  lr=0.002 epochs=3 f…",
    ]


def test_the_live_table_says_when_it_confirms_and_is_one_line_without_trials(
    state: dict[str, Any],
) -> None:
    assert len(live_lines({**state, "running": []}, 80)) == 1
    finishing = live_lines({**state, "state": "finishing", "running": []}, 80)
    assert finishing[1:] == ["scoring start, baseline and best on the held-out questions"]


def test_a_terminal_gets_the_live_display_and_a_file_plain_lines() -> None:
    assert isinstance(open_display(console(80)), LiveDisplay)
    assert isinstance(open_display(console(80, terminal=False)), PlainDisplay)


def test_the_live_display_shows_that_it_starts_then_the_state_and_leaves_only_lines(
    state: dict[str, Any],
) -> None:
    target = console(100)
    times = iter([10.0, *[15.0] * 100])
    with LiveDisplay(target, clock=lambda: next(times)) as display:
        display.say("[1/8] trial 0 62.5 %")
        display.show(state)
        display.say("[2/8] trial 1 50.0 %")
    assert isinstance(target.file, io.StringIO)
    text = target.file.getvalue()
    assert "starting: data, controls and the check of the instrument" in text
    assert "    1    1/3   50.0        7  lr=0.002" in text
    assert "[1/8] trial 0 62.5 %" in text
    assert text.endswith("\x1b[2K")  # the table is wiped at the end


def test_plain_lines_are_never_broken() -> None:
    target = console(20, terminal=False)
    with PlainDisplay(target) as display:
        display.say("[1/8] trial 0 62.5 % lr=0.0001 [bold]größe[/bold]")
        display.show({})
    assert printed(target) == ["[1/8] trial 0 62.5 % lr=0.0001 [bold]größe[/bold]"]


@pytest.mark.parametrize("width", range(20, 160, 10))
def test_the_ranking_never_exceeds_the_terminal(width: int) -> None:
    lines: Sequence[str] = shown(summary(*TRIALS), width)
    table = lines[1 : lines.index("3 complete")]
    assert max(map(len, table)) <= width
