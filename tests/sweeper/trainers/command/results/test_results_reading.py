import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from sweeper.trainers.command.results import Outcome, Point, Results, ResultsError, read_results
from sweeper.trainers.command.results import rows as rows_module
from sweeper.trainers.command.results.spec import Source

Write = Callable[..., Path]
Read = Callable[..., Outcome]


# JSON


def test_metrics_are_read_by_key_and_pointer(write: Write, read: Read) -> None:
    write("out/m.json", {"loss": 0.5, "eval": {"acc": 1}})
    found = read(file="out/m.json", metrics={"loss": "loss", "accuracy": "/eval/acc"})
    assert found == Outcome(metrics={"loss": 0.5, "accuracy": 1.0})


def test_nan_and_infinity_stay_what_they_are(write: Write, read: Read) -> None:
    write("m.json", '{"loss": NaN, "bound": -Infinity}')
    found = read(file="m.json", metrics=["loss", "bound"]).metrics
    assert math.isnan(found["loss"])
    assert found["bound"] == -math.inf


def test_a_pointer_to_several_values_needs_newest(write: Write, read: Read) -> None:
    write("m.json", {"first-run": {"acc": 0.5}, "second-run": {"acc": 0.25}})
    with pytest.raises(
        ResultsError, match=r"leads to 2 values: first-run: 0\.5, second-run: 0\.25"
    ):
        read(file="m.json", metrics={"acc": "/*-run/acc"})
    assert read(file="m.json", metrics={"acc": "/*-run/acc"}, newest=True).metrics == {"acc": 0.25}


def test_steps_and_metrics_of_a_list_make_a_curve(write: Write, read: Read) -> None:
    log = [{"step": 10, "loss": 2.0}, {"step": 20}, {"step": 30, "loss": 1.0}, {"loss": 9.0}]
    write("m.json", {"log": log, "best": 7})
    found = read(
        file="m.json", step="/log/*/step", metrics={"loss": "/log/*/loss", "best": "/best"}
    )
    assert found.curve == (Point(10, {"loss": 2.0}), Point(30, {"loss": 1.0}))
    assert found.metrics == {"loss": 9.0, "best": 7.0}


def test_a_history_of_one_epoch_is_a_curve_and_may_lack_numbers(write: Write, read: Read) -> None:
    write("m.json", [{"epoch": 1, "acc": 0.5}, {"epoch": 2, "acc": None}])
    found = read(file="m.json", step="/*/epoch", metrics={"acc": "/*/acc"})
    assert found == Outcome(metrics={"acc": 0.5}, curve=(Point(1, {"acc": 0.5}),))
    write("m.json", [{"epoch": 3, "acc": 0.75}])
    found = read(file="m.json", step="/*/epoch", metrics={"acc": "/*/acc"})
    assert found.curve == (Point(3, {"acc": 0.75}),)


def test_a_step_that_has_nothing_to_do_with_the_metrics_is_an_error(
    write: Write, read: Read
) -> None:
    write("m.json", {"step": 1, "log": [{"loss": 1}]})
    with pytest.raises(ResultsError, match=r"must have `\*` in the same places"):
        read(file="m.json", step="/step", metrics={"loss": "/log/*/loss"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"acc": None}, r"'acc' \(metric 'acc'\) must be a number, but is null"),
        ({"acc": [1]}, r"must be a number, but is a list of 1"),
        ({"acc": "high"}, r"must be a number, but is 'high'"),
        ({"accc": 1, "loss": 2}, r"is not there: there are accc, loss; did you mean 'accc'\?"),
        ("", r"m\.json is empty"),
        ('{"acc": 0.', r"m\.json is not JSON: "),
        ('{"acc": 1}\n{"acc": 2}\n', r"Extra data.*; one value a line is `format: jsonl`"),
        ("[" * 100_000, r"m\.json is not JSON: "),
    ],
)
def test_json_that_cannot_be_used_is_named(
    content: object, message: str, write: Write, read: Read
) -> None:
    write("m.json", content)
    with pytest.raises(ResultsError, match=message):
        read(file="m.json", metrics=["acc"])


def test_huge_json_is_refused_unread(
    write: Write, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LARGEST", 5)
    write("m.json", '{"acc": 1}')
    with pytest.raises(ResultsError, match="let the program write its numbers to a file of"):
        read(file="m.json", metrics=["acc"])


# which file


def test_what_an_earlier_trial_left_is_no_result(write: Write, read: Read) -> None:
    path = write("m.json", {"acc": 1}, after=-3600)
    with pytest.raises(ResultsError, match=f"no new result: {path} is 60 min older than the trial"):
        read(file="m.json", metrics=["acc"])


def test_a_file_of_the_moment_of_the_start_is_new(write: Write, read: Read) -> None:
    write("m.json", {"acc": 1}, after=0)
    assert read(file="m.json", metrics=["acc"]).metrics == {"acc": 1.0}


def test_old_files_that_match_do_not_count(write: Write, read: Read) -> None:
    write("a/m-1.json", {"acc": 1}, after=-1)
    write("a/m-2.json", {"acc": 2})
    assert read(file="**/m-*.json", metrics=["acc"]).metrics == {"acc": 2.0}


def test_several_new_files_need_newest(write: Write, read: Read) -> None:
    write("b.json", {"acc": 1}, after=2)
    write("c.json", {"acc": 2}, after=1)
    with pytest.raises(ResultsError, match=r"matches 2 new files: .*c\.json, .*b\.json; name one"):
        read(file="*.json", metrics=["acc"])
    assert read(file="*.json", metrics=["acc"], newest=True).metrics == {"acc": 1.0}


def test_a_missing_file_is_told_with_what_is_there(write: Write, read: Read) -> None:
    write("out/metrics.json", {})
    with pytest.raises(
        ResultsError,
        match=r"no new result: no file matches 'out/metric\.json'; .*/out has metrics\.json; "
        r"did you mean 'metrics\.json'\?",
    ):
        read(file="out/metric.json", metrics=["acc"])


def test_a_missing_folder_is_told_with_its_neighbours(write: Write, read: Read) -> None:
    write("output/m.json", {})
    with pytest.raises(ResultsError, match=r"has output; did you mean 'output'\?"):
        read(file="outputs/run/m.json", metrics=["acc"])


def test_folders_with_the_marks_of_globs_are_taken_by_name(write: Write, read: Read) -> None:
    write("run[1]/m.json", {"acc": 1})
    write("run1/m.json", {"acc": 2})
    assert read(file="run[1]/*.json", metrics=["acc"]).metrics == {"acc": 1.0}


def test_absolute_paths_are_taken_as_they_are(write: Write, read: Read) -> None:
    path = write("m.json", {"acc": 1})
    assert read(file=str(path), metrics=["acc"]).metrics == {"acc": 1.0}


def test_what_the_file_system_refuses_is_told(read: Read) -> None:
    with pytest.raises(ResultsError, match=r"x\.json cannot be read: File name too long"):
        read(file="x" * 300 + ".json", metrics=["acc"])


def test_a_name_that_tells_no_format_needs_one(write: Write, read: Read) -> None:
    write("m.log", '{"acc": 1}')
    with pytest.raises(ResultsError, match="the end of its name does not say what it is"):
        read(file="m.log", metrics=["acc"])
    assert read(file="m.log", format="json", metrics=["acc"]).metrics == {"acc": 1.0}


# rows


def test_rows_of_json_lines_make_a_curve_and_the_last_value_counts(
    write: Write, read: Read
) -> None:
    lines = [{"epoch": 1, "loss": 2}, {"epoch": 1, "val": {"acc": 0.5}}, {"epoch": 2, "loss": 1}]
    write("m.jsonl", "\n".join(json.dumps(line) for line in lines))
    found = read(file="m.jsonl", step="epoch", metrics={"loss": "loss", "acc": "/val/acc"})
    assert found.metrics == {"loss": 1.0, "acc": 0.5}
    assert found.curve == (Point(1, {"loss": 2.0, "acc": 0.5}), Point(2, {"loss": 1.0}))
    assert found.warnings == ()


def test_a_torn_last_line_is_passed_over_with_a_warning(write: Write, read: Read) -> None:
    path = write("m.jsonl", '{"loss": 2}\n{"loss": 1')
    found = read(file="m.jsonl", metrics=["loss"])
    assert found.metrics == {"loss": 2.0}
    assert found.warnings == (
        f"{path}: 1 unreadable row, the first row 2, which is no JSON object (the file ends "
        "within it)",
    )


def test_a_file_of_nothing_but_half_a_line_is_an_error(write: Write, read: Read) -> None:
    write("m.jsonl", '{"loss": 1')
    with pytest.raises(ResultsError, match="1 unreadable row, the first row 1"):
        read(file="m.jsonl", metrics=["loss"])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_read_by_name(separator: str, write: Write, read: Read) -> None:
    table = "\ufeffepoch, loss ,acc\n1,0.5,\n2,,0.75\n\n3,0.25\n"
    path = write("m.csv", table.replace(",", separator))
    found = read(file="m.csv", step="epoch", metrics=["loss", "acc"])
    assert found.metrics == {"loss": 0.5, "acc": 0.75}
    assert found.curve == (Point(1, {"loss": 0.5}), Point(2, {"acc": 0.75}))
    assert found.warnings == (
        f"{path}: 1 unreadable row, the first row 5, which has 2 cells for 3 columns",
    )


def test_a_column_under_another_name_is_suggested(write: Write, read: Read) -> None:
    write("m.csv", "step,accuracy\n1,0.5\n")
    with pytest.raises(
        ResultsError,
        match=r"no row has 'acuracy' \(metric 'acc'\): there are step, accuracy; did you mean",
    ):
        read(file="m.csv", metrics={"acc": "acuracy"})


def test_cells_that_are_no_numbers_are_named(write: Write, read: Read) -> None:
    path = write("m.csv", "loss\n0.5\nhigh\n")
    found = read(file="m.csv", metrics=["loss"])
    assert found.metrics == {"loss": 0.5}
    assert found.warnings == (f"{path}: 'loss' is not always readable: line 3 has 'high'",)
    write("m.csv", "loss\nlow\n")
    with pytest.raises(ResultsError, match=r"no row has 'loss'.*: line 2 has 'low', no number"):
        read(file="m.csv", metrics=["loss"])


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("0.5", r"has 'epoch' \(`step`\): line 2 has '0\.5', no whole number"),
        ("", r"has 'epoch' \(`step`\): it is empty in every row"),
    ],
)
def test_steps_must_be_whole(steps: str, message: str, write: Write, read: Read) -> None:
    write("m.csv", f"epoch,loss\n{steps},1\n")
    with pytest.raises(ResultsError, match=message):
        read(file="m.csv", step="epoch", metrics=["loss"])


def test_a_column_that_is_always_empty_is_an_error(write: Write, read: Read) -> None:
    write("m.csv", "loss,acc\n1,\n")
    with pytest.raises(ResultsError, match=r"no row has 'acc' .*: it is empty in every row"):
        read(file="m.csv", metrics=["acc"])


def test_an_empty_table_is_an_error(write: Write, read: Read) -> None:
    write("m.csv", "loss,acc\n")
    with pytest.raises(ResultsError, match=r"m\.csv has no rows"):
        read(file="m.csv", metrics=["loss"])


# all sources of a study


def test_sources_are_put_together(write: Write, tmp_path: Path) -> None:
    write("a.json", {"loss": 1})
    write("b.jsonl", '{"step": 1, "acc": 0.5}\n')
    results = Results(
        (
            Source(file="a.json", metrics={"loss": "loss"}),
            Source(file="b.jsonl", step="step", metrics={"acc": "acc"}),
            Source(reported=True),
        )
    )
    found = read_results(results, cwd=tmp_path, since=0)
    assert found == Outcome(metrics={"loss": 1.0, "acc": 0.5}, curve=(Point(1, {"acc": 0.5}),))


def test_a_metric_that_was_told_under_another_name_is_suggested() -> None:
    outcome = Outcome(metrics={"accuracy": 0.5, "loss": 1.0})
    assert outcome.metric("loss") == 1.0
    with pytest.raises(
        ResultsError,
        match=r"metric 'acuracy' was not told; there are accuracy, loss; did you mean 'accuracy'",
    ):
        outcome.metric("acuracy")
    with pytest.raises(ResultsError, match="no new result: metric 'loss' was not told; nothing"):
        Outcome().metric("loss")
