from dataclasses import replace
from typing import Any

import pytest

from sweeper.outcomes import Failure, FailureKind, Scores
from sweeper.ranking import ranking
from sweeper.records import Final, Notes, TrialRecord, TrialState
from sweeper.results.table import Row, markdown, parts_of, rows
from sweeper.results.trials_csv import trials_csv
from sweeper.scales import NATS, PER_CENT
from sweeper.trainers.builtin.nouns import SHOTS
from sweeper.words import counts_line, params_text


def record(
    number: int,
    score: float | None,
    *,
    state: TrialState = TrialState.COMPLETE,
    proposed: str = "sampled",
) -> TrialRecord:
    accuracy = {} if score is None else {"1": score - 0.01, "2": score + 0.01}
    values = {"lr": 1e-4 * (number + 1)}
    notes = Notes(proposed=proposed, origin="trained", values=values, accuracy=accuracy)
    return TrialRecord(
        number=number, params={"lr": 1e-4 * (number + 1)}, state=state, score=score, notes=notes
    )


RECORDS = [
    record(0, 0.5, proposed="baseline"),
    record(1, 0.6),
    record(2, None, state=TrialState.FAILED),
    record(3, 0.9, state=TrialState.PRUNED),
    record(4, 0.6),
]
CONTROLS = {"random": Scores(score=0.4, accuracy={"1": 0.39, "2": 0.41})}


def told(table: list[Row]) -> str:
    return markdown(table, parts_of(table, SHOTS, ("1", "2")))


def test_only_complete_trials_are_ranked_and_ties_go_by_number() -> None:
    assert [r.number for r in ranking(RECORDS, goal="maximize")] == [1, 4, 0]
    assert [r.number for r in ranking(RECORDS, goal="minimize")] == [0, 1, 4]


def final(number: int, search: float, score: float, **more: Any) -> TrialRecord:
    found = Final(score=score, accuracy={"1": score}, questions=800)
    return replace(record(number, search, **more), final=found)


def test_a_leader_without_a_final_stays_the_leader() -> None:
    records = [
        final(0, 0.55, 0.60, proposed="baseline"),
        replace(
            record(1, 0.90),
            final_failure=Failure(kind=FailureKind.JUDGE, message="exit code 1"),
        ),
        final(2, 0.70, 0.69),
        record(3, 0.40),
    ]
    assert [r.number for r in ranking(records, goal="maximize")] == [1, 2, 0, 3]
    text = told(rows(records, {}, goal="maximize", scale=PER_CENT))
    assert "| trial 1 | 0.0002 | 90.0 |" in text
    assert "| no final: judge |" in text


def test_finalists_exchange_their_places_by_their_finals_alone() -> None:
    records = [final(0, 0.9, 0.6), record(1, 0.8), final(2, 0.7, 0.65), record(3, 0.75)]
    assert [r.number for r in ranking(records, goal="maximize")] == [2, 1, 3, 0]
    losses = [final(0, 0.1, 0.4), record(1, 0.2), final(2, 0.3, 0.35)]
    assert [r.number for r in ranking(losses, goal="minimize")] == [2, 1, 0]


def test_controls_stand_first_and_differences_are_to_the_baseline() -> None:
    assert told(rows(RECORDS, CONTROLS, goal="maximize", scale=PER_CENT)) == (
        "|  | lr | score | 1 shot | 2 shots | vs baseline |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        "| control random |  | 40.0 | 39.0 | 41.0 | -10.0 |\n"
        "| trial 1 | 0.0002 | 60.0 | 59.0 | 61.0 | +10.0 |\n"
        "| trial 4 | 0.0005 | 60.0 | 59.0 | 61.0 | +10.0 |\n"
        "| trial 0 (baseline) | 0.0001 | 50.0 | 49.0 | 51.0 | +0.0 |\n"
    )


def test_losses_stand_in_nats_and_without_columns_of_shots() -> None:
    losses = [
        replace(item, notes=item.notes.model_copy(update={"accuracy": {}}), score=score)
        for item, score in zip(RECORDS[:2], (4.81234, 4.7), strict=True)
    ]
    controls = {"random": Scores(score=5.25, accuracy={})}
    assert told(rows(losses, controls, goal="minimize", scale=NATS)) == (
        "|  | lr | score | vs baseline |\n"
        "| --- | --- | --- | --- |\n"
        "| control random |  | 5.2500 | +0.4377 |\n"
        "| trial 1 | 0.0002 | 4.7000 | -0.1123 |\n"
        "| trial 0 (baseline) | 0.0001 | 4.8123 | +0.0000 |\n"
    )


def test_an_accuracy_that_is_not_known_leaves_its_cell_empty() -> None:
    controls = {"random": Scores(score=0.4, accuracy={"2": 0.4})}
    line = told(rows(RECORDS, controls, goal="maximize", scale=PER_CENT)).splitlines()[2]
    assert line == "| control random |  | 40.0 |  | 40.0 | -10.0 |"


@pytest.mark.parametrize(
    ("goal", "best"), [("minimize", "0.6250 nats"), ("maximize", "62.5 %"), (None, "62.5 %")]
)
def test_the_best_is_told_in_its_unit(goal: str | None, best: str) -> None:
    state = {
        "study": "kl_lr",
        "trials": 8,
        "counts": {"complete": 1, "failed": 0, "pruned": 0, "running": 0},
        "best": {"trial": 3, "score": 0.625},
        **({} if goal is None else {"goal": goal}),
    }
    assert counts_line(state).endswith(f"0 running; best: trial 3, {best}")


def test_without_a_complete_baseline_there_are_no_differences() -> None:
    table = rows(RECORDS[1:], CONTROLS, goal="maximize", scale=PER_CENT)
    assert {row.difference for row in table} == {None}


def test_the_csv_has_every_trial_in_full_precision() -> None:
    lines = trials_csv(RECORDS, ["lr"], SHOTS, ("1", "2")).splitlines()
    assert lines[0] == "trial,origin,state,lr,score,shot_1,shot_2"
    assert lines[2] == "1,trained,complete,0.0002,0.6,0.59,0.61"
    assert lines[3] == "2,trained,failed,0.00030000000000000003,,,"
    assert len(lines) == 6


def test_parameters_are_shown_with_four_digits() -> None:
    text = params_text({"lr": 0.000123456, "epochs": 3, "freeze": "none", "log": True})
    assert text == "lr=0.0001235 epochs=3 freeze=none log=True"
