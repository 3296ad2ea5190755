"""`${...}` in what a program is told: parameters, and what only its trial knows. Pure.

Everything is replaced in one pass, so that a value with a `$` in it is never read again. `$$` is a
dollar sign. What stands alone as an argument may become several (`${args}`), or none.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.space import Value

OWN = (  # what a trial knows beside its parameters, and what is said of it
    "trial.id",
    "trial.dir",
    "study.name",
    "seed",
    "gpu",
    "local_gpu",
    "devices",
    "interpreter",
    "cwd",
    "args_json_file",
)
LISTS = ("args", "args_equals")  # several arguments; they stand alone
ENVIRONMENT = "env:"  # and the name of a variable
_MACRO = re.compile(r"\$\$|\$\{\s*([^{}]*?)\s*\}")
_ALONE = re.compile(r"\$\{\s*([^{}]*?)\s*\}")


class MacroError(ValueError):
    """A macro that stands for nothing here."""


def is_macro(name: str) -> bool:
    """Whether ``${name}`` is one of these, whatever the parameters are called."""
    return name in (*OWN, *LISTS) or name.startswith(ENVIRONMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Macros:
    """What every macro of one trial stands for."""

    params: Mapping[str, Value]
    own: Mapping[str, str]  # by the names of `OWN`
    environment: Mapping[str, str]
    cases: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)

    def arguments(self, written: Sequence[Value]) -> list[str]:
        """A command's arguments as the program gets them.

        Raises:
            MacroError: where a macro has no meaning, or a list of arguments stands within a text.
        """
        return [argument for text in written for argument in self._argument(text)]

    def text(self, written: Value) -> str:
        """A text with its macros replaced. Raises MacroError as `arguments` does."""
        if not isinstance(written, str):
            return value_text(written)
        return _MACRO.sub(lambda match: self._one(match[1]), written)

    def value(self, written: object) -> object:
        """A plain value with its macros replaced at every depth; a parameter alone keeps its type.

        Raises MacroError as `arguments` does.
        """
        if isinstance(written, dict):
            return {key: self.value(item) for key, item in written.items()}
        if isinstance(written, list):
            return [self.value(item) for item in written]
        if not isinstance(written, str):
            return written
        alone = _ALONE.fullmatch(written)
        if alone is not None and alone[1] in self.params:
            return self.params[alone[1]]
        return self.text(written)

    def _argument(self, written: Value) -> Iterator[str]:
        alone = _ALONE.fullmatch(written) if isinstance(written, str) else None
        name = "" if alone is None else alone[1]
        if name in self.params and name in self.cases:
            yield from self._case(name)
        elif name == "args" and name not in self.params:
            for param, value in self.params.items():
                own = self._case(param) if param in self.cases else None
                yield from own if own is not None else (f"--{param}", value_text(value))
        elif name == "args_equals" and name not in self.params:
            for param, value in self.params.items():
                own = self._case(param) if param in self.cases else None
                yield from own if own is not None else (f"{param}={value_text(value)}",)
        else:
            yield self.text(written)

    def _case(self, name: str) -> Sequence[str]:
        return [self.text(argument) for argument in self.cases[name][value_text(self.params[name])]]

    def _one(self, name: str | None) -> str:
        """What stands for one macro; None is `$$`."""
        if name is None:
            return "$"
        if name in self.params:
            return value_text(self.params[name])
        if name in self.own:
            return self.own[name]
        if name.startswith(ENVIRONMENT):
            variable = name.removeprefix(ENVIRONMENT)
            if variable not in self.environment:
                raise MacroError(f"${{{name}}}: the environment has no {variable}")
            return self.environment[variable]
        if name in LISTS:
            raise MacroError(f"${{{name}}} stands for several arguments: let it stand alone")
        raise MacroError(f"${{{name}}} stands for nothing in this trial: its parameter is not used")


def value_text(value: Value) -> str:
    """A value as programs read it: `true`, `0.0001`, `1e-05`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
