"""The JSON Schema of the study file, for editors: completion, allowed values, a red line early.

It says less than the checks of `load_study` (nothing of what sections say of each other) and
refuses nothing that they accept.
"""

from typing import Any

from sweeper.study.sections import StudyFile
from trainer.contract import TrainSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {
    "type": "string",
    "pattern": r"\$\{[^{}]+\}",
    "description": 'the value of a parameter: "${name}"',
}


def study_schema() -> dict[str, Any]:
    """Return the schema; every value of the trainer section may also be a text with `${name}`."""
    study = _without_null(StudyFile.model_json_schema())
    trainer = TrainSpec.model_json_schema()
    definitions = {
        name: _with_references(_special(name, definition))
        for name, definition in trainer.pop("$defs").items()
    }
    trainer["properties"]["task"] = _task(trainer["properties"]["task"], definitions)
    properties = study["properties"] | {"trainer": _with_references(trainer)}
    for name, alias in (("method", "sampler: {name: ...}"), ("run_cap", "trials")):
        properties[name]["description"] = f"W&B's word for `{alias}`"
    return {
        "$schema": DIALECT,
        **study,
        "title": "sweeper study",
        "description": "One study: what is trained, what is searched, how it is run.",
        "properties": properties,
        "required": ["name", "trainer", "parameters"],
        "$defs": study["$defs"] | definitions,
    }


def _special(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Add the forms that the spec takes before its types are looked at."""
    properties = dict(definition["properties"])
    if name == "GrpoSpec":
        properties["freeze"] = {
            "anyOf": [
                {"enum": ["backbone", "none", "projections"]},
                {"type": "string", "pattern": "^head_then_all:[1-9][0-9]*$"},
                {
                    "type": "object",
                    "properties": {"head_then_all": {"type": "integer", "minimum": 1}},
                    "required": ["head_then_all"],
                    "additionalProperties": False,
                },
            ],
            "default": properties["freeze"]["default"],
        }
    elif name == "FilesSpec":  # one file alone is that of the training questions
        file = {"type": "string", "minLength": 1}
        properties["embeddings"] = {"anyOf": [file, properties["embeddings"]]}
    return {**definition, "properties": properties}


def _task(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Let a task that needs nothing but its name be written as that name."""
    tasks = schema["discriminator"]["mapping"]
    alone = [
        name
        for name, place in tasks.items()
        if set(definitions[place.rpartition("/")[2]].get("required", ())) <= {"name"}
    ]
    return {"anyOf": [{"type": "string", "enum": alone}, *schema["oneOf"]]}


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
    leaf = {key: value for key, value in schema.items() if key not in ("title", "default")}
    about = {key: value for key, value in schema.items() if key in ("title", "default")}
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
