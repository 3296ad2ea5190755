"""Writes `study-file.md`: every key of a study file, from the schema that editors are served.

    python docs/study_file.py       (or `make docs`)

What a key means is said where its model declares it; this program knows none of them but by the
examples, which a test reads as study files.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sweeper.study.schema import study_schema

PAGE = Path(__file__).with_name("study-file.md")
OPENING = """\
# The study file

A study is one YAML file. This page is written by `make docs` from the models that check the file;
`sweeper schema` serves the same to editors, and `sweeper validate FILE` says what else is wrong,
such as sections that do not fit each other.

A key that is not listed is an error. A key without a default may be left out, unless it is
required; a key that stands there needs a value. `1e-4` is a number; `none`, `on` and `off` are
texts. Relative paths begin at the study file. Below `trainer:` every value may be a reference to a
parameter, `"${lr}"` in quotes, and `null` is as good as leaving the key out.

A *value* is a text, a number, `true`, `false`, or a mapping such as `{head_then_all: 2}`.
"""
VALUE = ("text", "whole number", "number", "`true`, `false`", "{NAME: whole number}")
EXAMPLES = {  # by section: lines of a study file
    "": """\
name: kl_lr
trials: 32
notify: [sh, tell.sh]""",
    "parameters.NAME": """\
parameters:
  lr: {values: [1e-5, 1e-4, 1e-3]}
  kl_beta: {min: 0.01, max: 0.3, log: true, when: {lr: [1e-3]}, otherwise: 0.15}""",
    "sampler": "sampler: {name: tpe, seed: 0, n_startup_trials: 10}",
    "pruner": "pruner: {name: percentile, percentile: 25, n_warmup_steps: 1}",
    "seeds": """\
seeds: {values: [0, 1, 2], strategy: finalists}
finalists: 4""",
    "best": "best: {rule: one_standard_error}",
    "limits": "limits: {reader_calls: 100000, trial_time: 2h, stall: 20m, study_time: 12h}",
    "stop": """\
stop: {no_gain: 20}
stop_if: {kl: "> 5", loss: ">= 100"}""",
    "retry": "retry: {lost: 5, judge: 3}",
    "resources": "resources: {devices: [0, 1], slots_per_device: 2, min_free: 4}",
    "mlflow": 'mlflow: {experiment: sweeps, tracking_uri: "http://127.0.0.1:5000"}',
    "trainer": """\
trainer:
  task: easy_vqa
  phases: [{rce: {epochs: 5, lr: 1e-3}}, {grpo: {lr: "${lr}", kl_beta: "${kl_beta}"}}]""",
    "trainer.task (files)": """\
trainer:
  task: {name: files, rollouts: rl.json, embeddings: {train: old.pt, evaluate: new.pt}}
  phases: [{grpo: {lr: "${lr}", kl_beta: "${kl_beta}"}}]
  evaluate: {command: [python, eval.py, "{checkpoint}"]}""",
    "trainer.evaluate": """\
trainer:
  phases: [{grpo: {lr: "${lr}", kl_beta: "${kl_beta}"}}]
  evaluate: {shots: [1, 2, 4], screen: 200, confirm: 800}""",
}


def main() -> None:
    """Write the page beside this program."""
    PAGE.write_text(page())


def page() -> str:
    """The whole page."""
    schema = study_schema()
    sections = list(_sections("", schema, schema))
    names = {id(section): name for name, section in reversed(sections)}
    return "\n".join([OPENING, *(_section(name, each, schema, names) for name, each in sections)])


def _sections(
    name: str, section: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A section and all below it, each with its dotted name, in the order of the file."""
    yield name, section
    seen = {id(section)}
    for key, value in section.get("properties", {}).items():
        for place, below in _below(f"{name}.{key}".strip("."), value, root):
            for found in _sections(place, below, root):
                if id(found[1]) not in seen:
                    seen.add(id(found[1]))
                    yield found


def _below(
    place: str, value: dict[str, Any], root: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The sections that a key's value may be, with their places."""
    if "$ref" in value:
        if "properties" in _at(value, root):
            yield place, _at(value, root)
    elif "properties" in value and "title" in value:
        yield place, value
    for option in (each for each in value.get("anyOf", ()) if "$ref" in each):
        below = _at(option, root)
        label = _type(below["properties"].get("name", {}), root, {}).strip("`")
        yield f"{place} ({label})" if label else place, below
    if "items" in value:
        yield from _below(place, value["items"], root)
    if isinstance(value.get("additionalProperties"), dict):
        yield from _below(f"{place}.NAME", value["additionalProperties"], root)


def _at(reference: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = root["$defs"][reference["$ref"].rpartition("/")[2]]
    return found


def _section(
    name: str, section: dict[str, Any], root: dict[str, Any], names: dict[int, str]
) -> str:
    """Heading, meaning, example and table of one section."""
    lines = [f"## `{name}`" if name else "## Top level", ""]
    if name:
        lines += [section.get("description", "").partition("\n\n")[0].replace("\n", " "), ""]
    if name in EXAMPLES:
        lines += ["```yaml", EXAMPLES[name], "```", ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in section["properties"].items():
        default = _default(value, is_required=key in section.get("required", ()))
        lines.append(f"| `{key}` | {_type(value, root, names)} | {default} | {_meaning(value)} |")
    return "\n".join(lines) + "\n"


def _meaning(value: dict[str, Any]) -> str:
    """What is said of a key, as a sentence; a choice that comes first stays as it is written."""
    text = " ".join(value.get("description", "").split()).removesuffix(".")
    first = text.partition(" ")[0]
    return text if first.endswith((":", ";")) else text[:1].upper() + text[1:]


def _default(value: dict[str, Any], *, is_required: bool) -> str:
    if is_required:
        return "required"
    default = value.get("default")
    if default is None or isinstance(default, dict):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _type(value: dict[str, Any], root: dict[str, Any], names: dict[int, str]) -> str:
    """What may stand there, in words; a reference to a parameter goes without saying."""
    if "$ref" in value or ("properties" in value and "title" in value):
        section = _at(value, root) if "$ref" in value else value
        if "properties" not in section:
            return "anything"
        name = names[id(section)]
        anchor = "".join(c for c in name.lower().replace(" ", "-") if c.isalnum() or c in "-_")
        return f"[{name}](#{anchor})"
    if "anyOf" in value:
        options = [_type(option, root, names) for option in value["anyOf"] if not _refers(option)]
        return _joined(dict.fromkeys(options))
    if "enum" in value or "const" in value:
        choices = value.get("enum", [value.get("const")])
        return ", ".join(f"`{choice}`" for choice in choices)
    kind = value.get("type", "")
    if kind == "null":
        return ""
    if kind == "array":
        return f"list of {_type(value.get('items', {}), root, names) or 'anything'}"
    if kind == "object" and "properties" in value:
        [(key, inner)] = value["properties"].items()
        return f"{{`{key}`: {_type(inner, root, names)}}}"
    if kind == "object":
        inner = _type(value.get("additionalProperties", {}), root, names)
        return f"{{NAME: {inner}}}" if inner else "mapping"
    words = {"integer": "whole number", "string": "text", "boolean": "`true`, `false`"}
    return f"{words.get(kind, kind)}{_bounds(value)}"


def _joined(options: Iterable[str]) -> str:
    """Alternatives; those that make up a value go by that name."""
    given = [option for option in options if option]
    if set(VALUE) <= set(given):
        given = ["value", *(option for option in given if option not in VALUE)]
    if "number" in given:
        given = [option for option in given if option != "whole number"]
    return " or ".join(given)


def _bounds(value: dict[str, Any]) -> str:
    if "pattern" in value:
        return f" like `{value['pattern'].strip('^$').replace('[1-9][0-9]*', 'N')}`"
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    found = [f"{sign} {value[key]}" for key, sign in signs.items() if key in value]
    return f" {', '.join(found)}" if found else ""


def _refers(option: dict[str, Any]) -> bool:
    """Whether it is the alternative that names a parameter."""
    return str(option.get("pattern", "")).startswith(r"\$\{")


if __name__ == "__main__":
    main()
