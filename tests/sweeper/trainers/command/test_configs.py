import json
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue, ValidationError

from sweeper.trainers.command.configs import (
    ConfigFile,
    ConfigFileError,
    config_problems,
    key_path,
    write_config,
    written,
)

YAML = """\
# from the paper
optimizer:
  lr: 1e-4   # per device
  warmup: 010
data:
  files: [a.json, b.json]
  shuffle: no
common: &common {seed: 1}
eval: *common
run:
  <<: *common
"""
TOML = """\
# from the paper
[optimizer]
lr = 1e-4   # per device
when = 2024-01-02

[[data]]
file = "a.json"
"""


def config(**given: JsonValue) -> ConfigFile:
    return ConfigFile.model_validate(
        {"from": "base.yaml", "to": "out/config.yaml", "set": {}, **given}
    )


def problems(tmp_path: Path, **given: JsonValue) -> list[str]:
    (tmp_path / "base.yaml").write_text(YAML)
    (tmp_path / "base.toml").write_text(TOML)
    return config_problems(config(**given), tmp_path)


@pytest.mark.parametrize(
    ("key", "where"),
    [
        ("lr", ("lr",)),
        ("optimizer.lr", ("optimizer", "lr")),
        ("data.files[0]", ("data", "files", 0)),
        ("a[1][2].b-c", ("a", 1, 2, "b-c")),
        ('model."a.b".c', ("model", "a.b", "c")),
    ],
)
def test_a_key_is_a_way_through_mappings_and_lists(key: str, where: tuple[str | int, ...]) -> None:
    assert key_path(key) == where


@pytest.mark.parametrize("key", ["", ".a", "a.", "a..b", "a[x]", "a[-1]", "a[0]b", 'a"b"'])
def test_what_is_no_way_is_refused_when_the_study_is_read(key: str) -> None:
    with pytest.raises(ValidationError, match=r"no path like `optimizer\.lr`|must not be empty"):
        config(set={key: 1})


def test_a_yaml_file_is_written_whole_with_its_comments(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(YAML)
    made = config(set={"optimizer.lr": 3e-6, "data.files[1]": "c d.json"})
    target = write_config(made, below=tmp_path)
    expected = YAML.replace("1e-4", "3.0e-06").replace("b.json", '"c d.json"')
    assert target.read_text() == expected
    assert [path.name for path in target.parent.iterdir()] == ["config.yaml"]


def test_a_toml_file_keeps_comments_and_dates(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(TOML)
    values: JsonValue = {"optimizer.lr": 3e-6, "data[0].file": "b", "new.deep": [1, "x"]}
    made = config(**{"from": "base.toml"}, to="c.toml", set=values, add=True)
    text = written(made, below=tmp_path)
    begin = TOML.replace("1e-4", "3e-06").replace("a.json", "b").rstrip()
    assert text.startswith(begin)
    assert tomllib.loads(text)["new"] == {"deep": [1, "x"]}


def test_a_json_file_keeps_its_indentation(tmp_path: Path) -> None:
    (tmp_path / "base.json").write_text('{\n    "lr": 1e-4,\n    "n": [1,2]\n}\n')
    made = config(**{"from": "base.json"}, to="c.json", set={"lr": 3e-6})
    assert written(made, below=tmp_path) == '{\n    "lr": 3e-06,\n    "n": [1,2]\n}\n'


def test_keys_are_added_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(YAML)
    made = config(set={"optimizer.beta": 0.5, "run.seed": 2, "new.a": 1, "new.b": 2}, add=True)
    found = yaml.safe_load(written(made, below=tmp_path))
    assert found["optimizer"]["beta"] == 0.5
    assert (found["run"], found["eval"], found["new"]) == (
        {"seed": 2},
        {"seed": 1},
        {"a": 1, "b": 2},
    )


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (
            "optimizer.lrr",
            "`optimizer` has no `lrr`; did you mean 'lr'?; `add: true` adds keys (in base.yaml)",
        ),
        ("x", "the file has no `x`; it has optimizer, data, common, eval, run; `add: true` adds"),
        ("data.files[2]", "`data.files` has 2 items, so there is no [2]; a whole list can be set"),
        ("data[0]", "`data` is no list"),
        ("optimizer.lr.x", "`optimizer.lr` has no keys, it is '1e-4'"),
        ("eval.seed", "`eval` has no keys, it is '*common'"),
        ("run.seed", "`run` has no `seed`; it has <<, beside what `<<` brings; `add: true` adds"),
    ],
)
def test_a_key_that_is_not_there_is_told_with_what_is(
    tmp_path: Path, key: str, problem: str
) -> None:
    [found] = problems(tmp_path, set={key: 1})
    assert found.startswith(f"set.{key}: {problem}")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"from": "bose.yaml"}, "from: bose.yaml cannot be read: No such file or directory; did"),
        ({"from": "base.ini"}, "from: base.ini must end with one of .yaml, .yml, .json, .toml"),
        ({"from": "base"}, "from: base must end with one of .yaml, .yml, .json, .toml"),
        ({"to": "out/../base.yaml"}, "to: is the file it is made of, base.yaml"),
        ({"to": "c.json"}, "to: c.json must end as base.yaml does: the form stays"),
        (
            {"set": {"data": 1, "data.files": 2}},
            "set.data.files: stands within `data`, which is set too (in base.yaml)",
        ),
        (
            {"from": "base.toml", "to": "c.toml", "set": {"optimizer.lr": [None]}},
            "set.optimizer.lr: TOML has no null; give it a value (in base.toml)",
        ),
        (
            {"set": {"new[0]": 1}, "add": True},
            "set.new[0]: adds `new`, no list",
        ),
        (
            {"set": {"common": 1}},
            None,
        ),
    ],
)
def test_what_keeps_a_file_from_being_written_is_said_without_writing(
    tmp_path: Path, given: dict[str, JsonValue], problem: str | None
) -> None:
    found = problems(tmp_path, **given)
    assert [text[: len(problem or "")] for text in found] == [problem] * bool(problem)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base.toml", "base.yaml"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("b.yaml", b"a: [\n", "from: b.yaml cannot be read as YAML: line 2, column 1: "),
        ("b.json", b"{a: 1}", "from: b.json cannot be read as JSON: Expecting property name"),
        ("b.toml", b"a: 1", "from: b.toml cannot be read as TOML: Expected '='"),
        ("b.toml", b"a = '\xff'", "from: b.toml: byte 5 is not UTF-8; save it as UTF-8"),
    ],
)
def test_a_base_that_cannot_be_read_says_where(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    made = config(**{"from": name}, to=f"out{Path(name).suffix}")
    [found] = config_problems(made, tmp_path)
    assert found.startswith(problem)
    with pytest.raises(ConfigFileError, match=f"^from: {name}"):
        write_config(made, below=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_macro_decides_is_not_judged(tmp_path: Path) -> None:
    assert problems(tmp_path, **{"from": "${size}.yaml"}, set={"x": 1}) == []
    assert problems(tmp_path, **{"from": "${base}"}) == []
    assert problems(tmp_path, to="${trial.dir}/c.yaml", set={"${which}.lr": "${lr}"}) == []
    [found] = problems(tmp_path, to="${trial.dir}/c.yaml", set={"x": "${lr}"})
    assert found.startswith("set.x: the file has no `x`")


def test_numbers_stay_numbers_for_every_reader(tmp_path: Path) -> None:
    values: dict[str, JsonValue] = {"a": 1e-5, "b": 3, "c": True, "d": "1e-5", "e": "no"}
    for suffix, read in (
        (".yaml", yaml.safe_load),
        (".json", json.loads),
        (".toml", tomllib.loads),
    ):
        (tmp_path / f"b{suffix}").write_text("{}" if suffix == ".json" else "")
        made = config(**{"from": f"b{suffix}"}, to=f"c{suffix}", set={**values}, add=True)
        assert read(written(made, below=tmp_path)) == values
