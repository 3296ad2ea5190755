import re
from pathlib import Path
from typing import Any

import pytest

from sweeper.study.file import parse_document
from sweeper.study.schema import study_schema
from sweeper.study.template import study_template

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "null": type(None),
}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Judge a value by the part of JSON Schema that the study's schema uses."""
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema and not any(fits(value, option, root) for option in schema["anyOf"]):
        return False
    if "type" in schema and not isinstance(value, _TYPES[schema["type"]]):
        return False
    if schema.get("type") in ("integer", "number") and isinstance(value, bool):
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    if isinstance(value, int | float):
        return (
            schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and not value <= schema.get("exclusiveMinimum", -float("inf"))
            and not value >= schema.get("exclusiveMaximum", float("inf"))
        )
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return all(fits(item, schema.get("items", {}), root) for item in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        return set(schema.get("required", [])) <= value.keys() and all(
            fits(item, known[key], root)
            if key in known
            else (other if isinstance(other, bool) else fits(item, other, root))
            for key, item in value.items()
        )
    return True


def accepted(text: str) -> bool:
    schema = study_schema()
    return fits(parse_document(text, Path("study.yaml")).values, schema, schema)


STUDY = study_template("study", "study.yaml")


def test_the_schema_accepts_the_study_that_init_writes() -> None:
    assert accepted(STUDY)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("task: easy_vqa", "task: {name: easy_vqa, training_queries: 64}"),
        ("task: easy_vqa", 'task: "${task}"'),
        ("  seed: 0\n", '  seed: "${seed}"\n'),
        ('freeze: "${freeze}"', "freeze: {head_then_all: 2}"),
        ('freeze: "${freeze}"', 'freeze: {head_then_all: "${n}"}'),
        ('freeze: "${freeze}"', 'freeze: "head_then_all:2", curriculum: ["${n}", 5]'),
        ("[1, 2, 3, 4]", '[1, "${shots}"]'),
        ("questions: 800,", "screen: 200, confirm: 800,"),
        ("trials: 32", "seeds: [0, 1]"),
        ("trials: 32", "seeds: {values: [0, 1], strategy: finalists}"),
        ("lr: 1e-3", "stop_after: null"),
        ("values: [backbone, none]", "values: [{head_then_all: 2}, 1, true]"),
        ("log: true", "log: true, when: {a: b, c: [d, 1]}, otherwise: 1"),
        ("devices: auto", "devices: [0, 1]"),
        ("trials: 32", "run_cap: 32"),
    ],
)
def test_the_schema_accepts_what_may_be_written(old: str, new: str) -> None:
    assert old in STUDY
    assert accepted(STUDY.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials: 32", "trails: 32"),
        ("trials: 32", "trials: 0"),
        ("kl_beta: ", "kl_bta: "),
        ("lr: 1e-3", "lr: fast"),
        ("lr: 1e-3", "lr: -1"),
        ("task: easy_vqa", "task: hard_vqa"),
        ('freeze: "${freeze}"', "freeze: all"),
        ("name: tpe", "name: tp"),
        ("log: true", "log: 1"),
        ("devices: auto", "devices: gpu"),
        ("name: study", "title: study"),
        ("trials: 32", "seeds: [-1]"),
        ("[random, start, nearest]", "[best]"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(old: str, new: str) -> None:
    assert old in STUDY
    assert not accepted(STUDY.replace(old, new))


def test_every_reference_within_the_schema_leads_somewhere() -> None:
    schema = study_schema()
    names = set(re.findall(r"#/\$defs/(\w+)", str(schema)))
    assert names == schema["$defs"].keys()


def test_a_key_is_described_as_its_model_describes_it() -> None:
    schema = study_schema()
    lag = schema["properties"]["lag"]["description"]
    assert lag.startswith("Trial n is proposed from the results of trials 0 to n - lag")
    freeze = schema["$defs"]["GrpoSpec"]["properties"]["freeze"]["description"]
    assert freeze.startswith("What is trained.")


def test_no_key_of_the_study_is_offered_null() -> None:
    schema = study_schema()
    assert "null" not in str(schema["$defs"]["ParameterEntry"])
    assert schema["properties"]["title"]["type"] == "string"


FILES = """\
name: files
trainer:
  task:
    name: files
    rollouts: "${data}"
    embeddings: {train: a.npy, evaluate: b.npy}
    pools: {size: 64, seed: 0}
  start: weights.pt
  phases: [{rce: {reward: score}}, {grpo: {reward: "${reward}", reward_weights: {rel: 0.5}}}]
  evaluate: {score: validation_loss, command: [judge, "{checkpoint}"]}
metric: {name: validation_loss, goal: minimize}
parameters:
  data: {values: [a.json, b.json]}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("{train: a.npy, evaluate: b.npy}", "a.npy"),
        ("{size: 64, seed: 0}", "pools.pt"),
        ("{size: 64, seed: 0}", '{size: "${size}"}'),
        ("b.npy}", "b.npy}\n    on_bad: drop\n    split: 0.9\n    old_scores: lower_is_better"),
    ],
)
def test_the_schema_accepts_the_labs_files(old: str, new: str) -> None:
    assert old in FILES
    assert accepted(FILES.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    rollouts:", "    rolouts:"),
        ("embeddings: {train: a.npy, ", "embeddings: {"),
        ("{size: 64, seed: 0}", "{size: 65}"),
        ("pools:", "on_bad: skip\n    pools:"),
        ("rollouts:", "training_queries: 64\n    rollouts:"),
        ("reward: score", "reward: scores"),
        ("score: validation_loss", "score: loss"),
        ("metric: {name: validation_loss", "metric: {called: loss"),
    ],
)
def test_the_schema_refuses_what_the_labs_files_are_not(old: str, new: str) -> None:
    assert old in FILES
    assert not accepted(FILES.replace(old, new, 1))


def test_only_a_task_that_needs_nothing_else_is_written_as_its_name() -> None:
    assert not accepted(STUDY.replace("task: easy_vqa", "task: files"))
