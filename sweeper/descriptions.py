"""What each field of a model means, as its class says it: for editors, and for the reference.

The text under a field describes it, or else the comment behind it; so that one is written once, and
stands where the field is read. Pydantic's own `use_attribute_docstrings` does the same at import,
which took 60 ms more; here sources are read by whoever asks for a schema.
"""

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from pydantic_core.core_schema import ModelSchema

ABOUT = ("title", "default", "description")  # what a schema says of a value, not asks of it


def described_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model, a description with each field that has one."""
    return model.model_json_schema(schema_generator=_Described)


def descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What is said of the fields of a model and its bases, by their names in files."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _own(base)
    fields = model.model_fields
    return {fields[name].alias or name: text for name, text in found.items() if name in fields}


def either(option: dict[str, Any], schema: dict[str, Any]) -> dict[str, object]:
    """Let a value be ``option`` as well; what is said of it stands for both."""
    rest = {key: value for key, value in schema.items() if key not in ABOUT}
    about = {key: value for key, value in schema.items() if key in ABOUT}
    return {**about, "anyOf": [option, rest]}


class _Described(GenerateJsonSchema):
    def model_schema(self, schema: "ModelSchema") -> dict[str, object]:
        found = super().model_schema(schema)
        for name, text in descriptions(schema["cls"]).items():
            found["properties"][name].setdefault("description", text)
        return found


def _own(model: type[BaseModel]) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(model))
    [tree] = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    comments = dict(_comments(source))
    found = {}
    for node, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        text = _text(below) or " ".join(comments[line] for line in lines if line in comments)
        if text:
            found[node.target.id] = text
    return found


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Comments by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def _text(node: ast.stmt | None) -> str:
    """A text that stands for itself, on one line; empty where something else stands there."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""
