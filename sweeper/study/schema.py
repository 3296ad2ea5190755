"""The JSON Schema of the study file, for editors: completion, allowed values, a red line early.

It says less than the checks of `load_study` (nothing of what sections say of each other) and
refuses nothing that they accept.
"""

from typing import Any

from sweeper.descriptions import ABOUT, described_schema, either
from sweeper.study.sections import StudyFile
from sweeper.trainers import builtin_trainer, command_trainer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{[^{}]+\}",
    "description": 'the value of a parameter: "${name}"',
}


def study_schema() -> dict[str, object]:
    """Return the schema; every value of the trainer section may also be a text with `${name}`."""
    study = _without_null(described_schema(StudyFile))
    kind = builtin_trainer()
    trainer = kind.schema()
    definitions = {
        name: _with_references(definition) for name, definition in trainer.pop("$defs", {}).items()
    }
    properties = study["properties"] | {"trainer": _with_references(trainer)}
    program = command_trainer()
    own = _without_null(program.schema())
    definitions |= own.pop("$defs", {})
    properties |= own["properties"]
    study["$defs"]["Metric"]["properties"]["name"] |= {"examples": list(kind.metrics({}))}
    controls = [name for each in (kind, program) for name in each.capabilities({}).controls]
    properties["controls"]["items"] |= {"enum": controls}
    properties["seeds"] = either(_list_alone(study["$defs"]["Seeds"]), properties["seeds"])
    return {
        "$schema": DIALECT,
        **study,
        "title": "sweeper study",
        "description": "One study: what is trained, what is searched, how it is run.",
        "properties": properties,
        "required": ["name", "parameters"],
        "anyOf": [{"required": [key]} for key in ("trainer", "command", "steps")],
        "$defs": study["$defs"] | definitions,
    }


def _list_alone(seeds: dict[str, Any]) -> dict[str, Any]:
    """The list that may stand in place of the section."""
    values = seeds["properties"]["values"]
    return {key: value for key, value in values.items() if key not in ABOUT}


def _with_references(schema: dict[str, Any]) -> dict[str, Any]:
    """Let each value below an object's properties or a list's items be a reference instead."""
    if "properties" in schema:
        below = {name: _with_references(item) for name, item in schema["properties"].items()}
        return {**schema, "properties": below}
    if "anyOf" in schema:
        options = [_with_references(option) for option in schema["anyOf"]]
        flat = [inner for option in options for inner in option.get("anyOf", [option])]
        once = [option for index, option in enumerate(flat) if option not in flat[:index]]
        return {**schema, "anyOf": once}
    if "items" in schema:
        return {**schema, "items": _with_references(schema["items"])}
    if "$ref" in schema:
        return schema
    leaf = {key: value for key, value in schema.items() if key not in ABOUT}
    about = {key: value for key, value in schema.items() if key in ABOUT}
    return {**about, "anyOf": [leaf, _REFERENCE]}


def _without_null(schema: Any) -> Any:
    """Drop `null` alternatives and defaults: None stands for a key that is left out."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema if item != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: _without_null(value)
        for key, value in schema.items()
        if not (key == "default" and value is None)
    }
    if len(found.get("anyOf", ())) == 1:
        [only] = found.pop("anyOf")
        found |= only
    return found
