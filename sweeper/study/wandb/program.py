"""A sweep's `program:` and `command:` as the command of a study.

The program gets from the study what it got from W&B's agent, but that `${args}` writes
`--name value` for `--name=value`; what is true or false keeps W&B's spelling through `cases`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from sweeper.space import Parameter, Value
from sweeper.study.command_text import GUESS, results_lines
from sweeper.study.wandb.carrying import Carried
from sweeper.study.yaml_text import yaml_value

_DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")  # W&B's own
_MACRO = re.compile(r"\$\$|\$\{([^{}]*)\}")
_SAME = {
    "args": "${args}",
    "args_no_boolean_flags": "${args}",
    "args_no_hyphens": "${args_equals}",
    "args_json_file": "${args_json_file}",
    "interpreter": "${interpreter}",
}
_EPOCHS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "num_train_epochs")


class ProgramError(ValueError):
    """Nothing of the sweep runs."""


def arguments(sweep: Mapping[str, object], items: Sequence[Carried]) -> list[str]:
    """Return the study's `command`.

    Raises:
        ProgramError: if there is no program, or `command` is no list of arguments.
    """
    program, written = sweep.get("program"), sweep.get("command", list(_DEFAULT))
    if not isinstance(written, list) or not written:
        raise ProgramError("command: must be a list of arguments, as W&B has it")
    if any(not isinstance(argument, str | int | float) for argument in written):
        raise ProgramError("command: must be a list of texts and numbers")
    texts = [str(argument) for argument in written]
    if not isinstance(program, str) and any("${program}" in text for text in texts):
        raise ProgramError("program: is missing, and the command runs it")
    own = {**_SAME, "program": str(program), "args_json": _json(items)}
    names = {item.name for item in items}
    return [_ours(text, own, names) for text in texts if text != "${env}"]


def _ours(text: str, own: Mapping[str, str], params: set[str]) -> str:
    def one(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$$$$"
        if name in own:
            return own[name]
        if name == "env":
            return "/usr/bin/env"
        if name.startswith("envvar:"):
            return f"${{env:{name.removeprefix('envvar:')}}}"
        return match[0] if name in params else f"${match[0]}"  # W&B leaves others as they are

    return _MACRO.sub(one, text)


def _json(items: Sequence[Carried]) -> str:
    """All parameters as JSON, texts in quotes."""
    quote = {item.name: '"' if _is_text(item.parameter) else "" for item in items}
    return "{" + ", ".join(f'"{name}": {q}${{{name}}}{q}' for name, q in quote.items()) + "}"


def _is_text(parameter: Parameter) -> bool:
    return any(isinstance(value, str) for value in (*parameter.choices, parameter.fixed))


def command_lines(
    sweep: Mapping[str, object], items: Sequence[Carried], *, prunes: bool
) -> Iterator[str]:
    """Yield all that says what is run and where its score is. Raises ProgramError: `arguments`."""
    yield f"command: {yaml_value(arguments(sweep, items))}"
    cases = _cases(sweep, items)
    if cases:
        yield f"cases: {yaml_value(cases)}   # true and false as W&B writes them"
    epochs = epochs_of(items)
    if prunes and epochs is not None:
        yield f'epochs: "${{{epochs.name}}}"   # {GUESS} the program reports once an epoch'
    metric = sweep.get("metric")
    named = metric if isinstance(metric, dict) else {}
    name = named.get("name")
    goal = "maximize" if named.get("goal") == "maximize" else "minimize"  # W&B's default
    if isinstance(name, str) and name:
        yield from results_lines(name, goal)
    else:
        guessed = "the sweep names no metric; `goal: maximize` where more is better"
        yield from results_lines("score", goal, guessed=guessed)


def epochs_of(items: Sequence[Carried]) -> Parameter | None:
    """The parameter that says how many epochs a trial has, if one does."""
    found = [item.parameter for item in items if item.name.rpartition(".")[2] in _EPOCHS]
    return found[0] if len(found) == 1 else None


def _cases(
    sweep: Mapping[str, object], items: Sequence[Carried]
) -> dict[str, dict[str, list[str]]]:
    """What stands for each value of the parameters that may be true or false."""
    command = str(sweep.get("command", _DEFAULT))
    if not re.search(r"\$\{args(_no_hyphens|_no_boolean_flags)?\}", command):
        return {}
    flags, hyphens = "${args_no_boolean_flags}" in command, "${args_no_hyphens}" not in command
    cases = {}
    for item in items:
        values = item.parameter.choices or (item.parameter.fixed,)
        if any(isinstance(value, bool) for value in values):
            option = f"--{item.name}" if hyphens else item.name
            cases[item.name] = {
                _key(value): _case(option, value, flags=flags)
                for value in values
                if value is not None
            }
    return cases


def _key(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _case(option: str, value: Value, *, flags: bool) -> list[str]:
    if flags and isinstance(value, bool):
        return [option] if value else []
    return [f"{option}={value}"]
