"""The JSON Schema of the built-in trainer's section."""

from typing import Any

from sweeper.descriptions import ABOUT, described_schema, either
from trainer.contract import TrainSpec


def section_schema() -> dict[str, object]:
    """The schema of the spec, with every form that a study file may give it."""
    schema = described_schema(TrainSpec)
    definitions = schema["$defs"]
    schema["$defs"] = {name: _special(name, each) for name, each in definitions.items()}
    schema["properties"]["task"] = _task(schema["properties"]["task"], definitions)
    return schema


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
            "description": properties["freeze"]["description"],
        }
    elif name == "FilesSpec":  # one file alone is that of the training questions
        file = {"type": "string", "minLength": 1}
        properties["embeddings"] = either(file, properties["embeddings"])
    elif name == "EvaluateSpec":
        text = "another word for `questions`, beside `confirm`"
        properties["screen"] = {"type": "integer", "minimum": 1, "description": text}
    return {**definition, "properties": properties}


def _task(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Let a task that needs nothing but its name be written as that name."""
    tasks = schema["discriminator"]["mapping"]
    alone = [
        name
        for name, place in tasks.items()
        if set(definitions[place.rpartition("/")[2]].get("required", ())) <= {"name"}
    ]
    about: dict[str, object] = {key: value for key, value in schema.items() if key in ABOUT}
    return {**about, "anyOf": [{"type": "string", "enum": alone}, *schema["oneOf"]]}
