"""Config files of the user's program: a base file with a trial's values in their places.

Most programs of post-training take one file, and their authors' comments and odd values belong to
it: what is not set is as it was, byte by byte. Knows nothing of trials; macros are expanded before
a file is written, and stand as text where one is only checked.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from sweeper.problems import Where, dotted, shown, suggestion
from sweeper.trainers.command.yaml_edit import with_json_values, with_yaml_values, yaml_shape

Form = Literal["yaml", "json", "toml"]
FORMS: Mapping[str, Form] = {".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}
_MACRO = "${"
_PART = re.compile(r'\.?(?:"(?P<quoted>[^"]+)"|(?P<plain>[^.\[\]"]+))|\[(?P<index>[0-9]+)\]')


class ConfigFileError(Exception):
    """A config file cannot be written; the message lists every reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


class ConfigFile(BaseModel):
    """A config file that is written for each trial."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    base: Annotated[str, Field(min_length=1, alias="from")]
    """The file that it is made of: YAML, JSON or TOML; its comments stay."""
    to: Annotated[str, Field(min_length=1)]  # where it is written, `${trial.dir}/config.yaml`
    values: Annotated[dict[str, JsonValue], Field(alias="set")]
    """What is set in it: `optimizer.lr`, `data.files[0]`, `model."a.b"` with its new value."""
    add: bool = False  # whether keys are added that are not there; else they are mistakes

    @field_validator("values")
    @classmethod
    def _each_key_leads_somewhere(cls, values: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in values:
            if _MACRO not in key:
                key_path(key)
        return values


def key_path(key: str) -> Where:
    """Read `data.files[0]` or `model."a.b"`.

    Raises:
        ValueError: if it is no such path.
    """
    parts: list[str | int] = []
    end = 0
    while end < len(key):
        part = _PART.match(key, end)
        if part is None or (key[end] == ".") != (bool(parts) and part["index"] is None):
            raise ValueError(f'{key!r} is no path like `optimizer.lr`, `files[0]`, `model."a.b"`')
        end = part.end()
        parts.append(part["quoted"] or part["plain"] or int(part["index"]))
    if not parts:
        raise ValueError("a key must not be empty")
    return tuple(parts)


def config_problems(config: ConfigFile, below: Path) -> list[str]:
    """Say what keeps a config file from being written, without writing it.

    Args:
        config: With macros expanded or not; what a macro decides is not judged.
        below: Where relative paths begin.
    """
    return _made(config, below)[1]


def written(config: ConfigFile, *, below: Path) -> str:
    """Return the text of the file.

    Args:
        config: With all macros expanded.
        below: Where relative paths begin.

    Raises:
        ConfigFileError: if the base cannot be read, or a key is not there.
    """
    text, problems = _made(config, below)
    if problems:
        raise ConfigFileError(problems)
    return text


def write_config(config: ConfigFile, *, below: Path) -> Path:
    """Write the file, whole or not at all, and return where it is.

    Raises:
        ConfigFileError: as `written`.
        OSError: if it cannot be written.
    """
    content = written(config, below=below).encode()
    target = below / config.to
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    part.write_bytes(content)
    part.replace(target)
    return target


def _made(config: ConfigFile, below: Path) -> tuple[str, list[str]]:
    """The file's text, and the problems; the text is meaningless where there are some."""
    form = FORMS.get(Path(config.base).suffix.lower())
    problems = list(_place_problems(config, below, form))
    if form is None or problems or _MACRO in config.base:
        return "", problems
    try:
        text = (below / config.base).read_bytes().decode()
        data = _data(text, form)
    except OSError as error:
        reason = error.strerror or str(error)
        near = _near_files(below / config.base) if isinstance(error, FileNotFoundError) else ""
        return "", [f"from: {config.base} cannot be read: {reason}{near} (looked for in {below})"]
    except UnicodeDecodeError as error:
        return "", [f"from: {config.base}: byte {error.start} is not UTF-8; save it as UTF-8"]
    except ValueError as error:
        return "", [f"from: {config.base} cannot be read as {form.upper()}: {error}"]
    values = {key_path(key): value for key, value in config.values.items() if _MACRO not in key}
    for where, value in values.items():
        problem = _key_problem(data, where, add=config.add) or _value_problem(value, form)
        problem = problem or _overlap(where, values)
        if problem:
            problems.append(f"set.{dotted(where)}: {problem} (in {config.base})")
    if problems:
        return "", problems
    try:
        return _WITH_VALUES[form](text, values), []
    except ValueError as error:
        return "", [f"set: {error} (in {config.base})"]


def _place_problems(config: ConfigFile, below: Path, form: Form | None) -> Iterator[str]:
    if form is None and not (_MACRO in config.base and not Path(config.base).suffix):
        yield f"from: {config.base} must end with one of {', '.join(FORMS)}"
    if _MACRO in config.to or _MACRO in config.base:
        return
    if (below / config.to).resolve() == (below / config.base).resolve():
        yield f"to: is the file it is made of, {config.base}; write it below ${{trial.dir}}"
    if form is not None and FORMS.get(Path(config.to).suffix.lower()) != form:
        yield f"to: {config.to} must end as {config.base} does: the form stays"


def _near_files(path: Path) -> str:
    try:
        return suggestion(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return ""


def _data(text: str, form: Form) -> object:
    """Mappings and lists of the file. Raises ValueError if it is not of this form."""
    if form == "yaml":
        return yaml_shape(text)
    return json.loads(text) if form == "json" else tomllib.loads(text)


def _key_problem(data: object, where: Where, *, add: bool) -> str | None:
    """Say why a way does not lead to a value, nor to where one can be added."""
    for depth, part in enumerate(where):
        above = f"`{dotted(where[:depth])}`" if depth else "the file"
        if isinstance(part, int):
            if not isinstance(data, list):
                return f"{above} is no list"
            if part >= len(data):
                items = f"{len(data)} item{'' if len(data) == 1 else 's'}"
                return f"{above} has {items}, so there is no [{part}]; a whole list can be set"
            data = data[part]
        elif isinstance(data, dict) and part in data:
            data = data[part]
        elif add and (isinstance(data, dict) or _is_nothing(data)):
            indices = [item for item in where[depth + 1 :] if isinstance(item, int)]
            return f"adds `{dotted(where[: depth + 1])}`, no list" if indices else None
        elif isinstance(data, dict):
            near = suggestion(part, data) or f"; it has {', '.join(map(str, data)) or 'no keys'}"
            merged = ", beside what `<<` brings" if "<<" in data else ""
            return f"{above} has no `{part}`{near}{merged}; `add: true` adds keys"
        else:
            return f"{above} has no keys, it is {shown(_plain(data))}"
    return None


def _plain(data: object) -> object:
    return data[-1] if isinstance(data, tuple) else data  # a value of YAML, as it is written


def _is_nothing(data: object) -> bool:
    return data is None or (isinstance(data, tuple) and data[1:] in {(None, t) for t in _NULLS})


_NULLS = ("", "~", "null", "Null", "NULL")


def _value_problem(value: JsonValue, form: Form) -> str | None:
    return "TOML has no null; give it a value" if form == "toml" and _has_null(value) else None


def _has_null(value: JsonValue) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_null, value.values() if isinstance(value, dict) else value))
    return value is None


def _overlap(where: Where, values: Mapping[Where, JsonValue]) -> str | None:
    others = [other for other in values if other != where and where[: len(other)] == other]
    return f"stands within `{dotted(others[0])}`, which is set too" if others else None


def _with_toml_values(text: str, values: Mapping[Where, JsonValue]) -> str:
    """Set values in TOML; tomlkit keeps comments and form."""
    import tomlkit

    document = tomlkit.parse(text)
    for where, value in values.items():
        place: Any = document
        for part in where[:-1]:
            if isinstance(part, str) and part not in place:
                place[part] = {}
            place = place[part]
        place[where[-1]] = value
    return tomlkit.dumps(document)


_WITH_VALUES = {"yaml": with_yaml_values, "json": with_json_values, "toml": _with_toml_values}
