"""Writes a study file for a program's call: which of its options are searched, and where.

A rate gets a logarithmic range around what was given, a count whole numbers, a switch is on or off;
paths and other texts stay as they are, and what is written goes to the trial's folder. All of that
is guessed from names and values, and every guess says so. The call as it stands is trial 0.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple

from sweeper.errors import UsageError
from sweeper.space import Value
from sweeper.study.checks import study_name
from sweeper.study.command_text import GUESS, results_lines
from sweeper.study.parameters import NAME
from sweeper.study.yaml_text import yaml_value

_OPTION = re.compile(r"--?(?P<name>[A-Za-z_][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_ASSIGNED = re.compile(r"(?P<name>[A-Za-z_][\w.]*)=(?P<value>.*)", re.DOTALL)  # Hydra's
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SWITCHED = {"true": True, "false": False}

# Words of a name, as `_` `-` `.` part them.
_RATES = {"lr", "rate", "wd", "decay", "beta", "coef", "coeff", "kl", "alpha", "eps"}
_FRACTIONS = {"dropout", "momentum", "ratio"}  # `dropout_rate` is no rate
_DOUBLED = {"batch", "rank", "dim", "size", "hidden", "heads", "generations", "accumulation", "r"}
_OUTPUTS = {"out", "output", "outdir", "save", "results", "logdir", "o"}
_PLACES = {"dir", "path", "folder", "file", "root"}  # beside one of these, the following write too
_WRITTEN = {"log", "logging", "run", "work", "workdir", "exp"}
_READ = {"from", "resume", "load", "init", "input"}  # what is read is left where it is
_NO_CHOICE = {  # of a machine or a habit, no hyperparameter
    *("port", "workers", "rank", "world", "gpu", "gpus", "device", "devices", "nodes", "node"),
    *("processes", "procs", "threads", "logging", "log", "save", "eval", "every", "limit", "id"),
    *("do", "overwrite", "push", "debug", "verbose", "quiet", "trust", "resume", "offline", "help"),
    *("cpu", "cuda", "version", "local", "interval", "timeout", "samples"),
}
_MACROS = {"seed", "args", "args_equals", "gpu", "devices", "interpreter", "cwd"}  # `${seed}`
_CHOICE = {"batch", "lora"}  # `lora_rank`, `device_batch_size` are hyperparameters all the same


class _Guess(NamedTuple):
    """What stands in an option's place."""

    entry: Mapping[str, object]
    given: Value
    why: str


@dataclass(slots=True)
class _Call:
    """The call so far."""

    command: list[str] = field(default_factory=list)
    cases: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    searched: dict[str, _Guess] = field(default_factory=dict)
    seed: int | None = None
    outputs: list[str] = field(default_factory=list)


def study_of_command(arguments: Sequence[str], *, name: str, cwd: str = ".") -> str:
    """Return the text of a study file that runs a program.

    Args:
        arguments: The program and its arguments, as it is called by hand.
        name: Of the study; characters that it cannot have become `_`.
        cwd: Where the call is made, seen from the study file.

    Raises:
        UsageError: if there is no program, or nothing in the call that could be searched.
    """
    if not arguments:
        raise UsageError("`--command` needs a program: --command -- python train.py --lr 1e-4")
    call = _read(arguments)
    if not call.searched:
        reason = "no option of the call is a rate, a count or a switch that could be searched"
        raise UsageError(f"{reason}; write them out, like `--lr 1e-4 --epochs 3`")
    return "\n".join(_lines(call, study_name(name), cwd)) + "\n"


def _read(arguments: Sequence[str]) -> _Call:
    call = _Call()
    start = _first_own(arguments)
    call.command += map(_literal, arguments[:start])
    rest = list(arguments[start:])
    while rest:
        taken = _option(call, rest)
        if taken == 0:
            taken = 1
            call.command.append(_literal(rest[0]))
        rest = rest[taken:]
    return call


def _first_own(arguments: Sequence[str]) -> int:
    """Where the program's own options begin: behind the script, or behind `-m module`."""
    for index, argument in enumerate(arguments):
        if argument.endswith((".py", ".sh")) and not argument.startswith("-"):
            return index + 1
        if argument == "-m" and index + 1 < len(arguments):
            return index + 2
    return 1


def _option(call: _Call, rest: Sequence[str]) -> int:
    """Take an option off the front into the call; return how many arguments it was, or 0."""
    match = _OPTION.fullmatch(rest[0]) or _ASSIGNED.fullmatch(rest[0])
    if match is None or not NAME.fullmatch(match["name"]) or match["name"] in call.searched:
        return 0
    name, value = match["name"], match["value"]
    if value is not None:
        return _take(call, name, value, rest[0].removesuffix(value), joined=True)
    follows = rest[1] if len(rest) > 1 else None
    if follows is None or _OPTION.fullmatch(follows) or _ASSIGNED.fullmatch(follows):
        return _take_switch(call, name, rest[0])
    if len(rest) > 2 and _DECIMAL.fullmatch(follows) and _DECIMAL.fullmatch(rest[2]):
        return 0  # a list of numbers
    return _take(call, name, follows, rest[0], joined=False)


def _take(call: _Call, name: str, value: str, option: str, *, joined: bool) -> int:
    """Take an option with its value; ``joined`` where both are one argument."""

    def add(text: str) -> None:
        call.command.extend([f"{option}{text}"] if joined else [option, text])

    words = _words(name)
    if words & {"seed"} and _WHOLE.fullmatch(value) and int(value) >= 0 and call.seed is None:
        call.seed = int(value)
        add("${seed}")
    elif _is_output(words):
        call.outputs.append(name)
        add(f"${{trial.dir}}/{_literal(PurePath(value).name or 'out')}")
    elif name not in _MACROS and (guess := _guess(words, value)) is not None:
        call.searched[name] = guess
        if isinstance(guess.given, bool):
            as_given = str.capitalize if value[0].isupper() else str.lower
            call.cases[name] = {
                text: [f"{option}{as_given(text)}"] if joined else [option, as_given(text)]
                for text in ("true", "false")
            }
            call.command.append(f"${{{name}}}")
        else:
            add(f"${{{name}}}")
    else:
        add(_literal(value))
    return 1 if joined else 2


def _take_switch(call: _Call, name: str, option: str) -> int:
    if _words(name) & _NO_CHOICE or len(name) == 1 or name in _MACROS:
        return 0
    call.cases[name] = {"true": [option], "false": []}
    call.searched[name] = _Guess({"values": [True, False]}, True, "a switch: with and without it")
    call.command.append(f"${{{name}}}")
    return 1


def _words(name: str) -> set[str]:
    return set(re.split(r"[_.-]", name.lower()))


def _is_output(words: set[str]) -> bool:
    if words & _READ:
        return False
    is_place = bool(words & _PLACES)
    names_it = bool(words & _OUTPUTS) and (is_place or words <= _OUTPUTS)
    return names_it or (is_place and bool(words & _WRITTEN))


def _guess(words: set[str], text: str) -> _Guess | None:
    """What may be searched in an option's place; None where it stays as it is."""
    if text.lower() in _SWITCHED:
        given = _SWITCHED[text.lower()]
        return _Guess({"values": [given, not given]}, given, "true or false")
    if words & _NO_CHOICE and not (words & _CHOICE and "eval" not in words):
        return None
    if _WHOLE.fullmatch(text):
        return _count(words, int(text))
    if _DECIMAL.fullmatch(text):
        return _amount(words, float(text))
    return None


def _count(words: set[str], given: int) -> _Guess | None:
    if given <= 0:
        return None
    if words & _DOUBLED and given >= 2:
        values = [max(1, given // 2), given, 2 * given]
        return _Guess({"values": values}, given, "half and twice what was given")
    entry = {"min": max(1, given // 2), "max": 2 * given}
    return _Guess(entry, given, "a count: half to twice what was given")


def _amount(words: set[str], given: float) -> _Guess | None:
    if not 0 < given < 1e300:
        return None
    if (words & _RATES and not words & _FRACTIONS) or given < 0.01:
        entry = {"min": _tidy(given / 10), "max": _tidy(given * 10), "log": True}
        return _Guess(entry, given, "a rate: a tenth to ten times what was given")
    if given < 0.5 or given >= 1:
        entry = {"min": _tidy(given / 2), "max": _tidy(given * 2)}
        return _Guess(entry, given, "half to twice what was given")
    entry = {"min": _tidy(1 - 2 * (1 - given)), "max": _tidy(1 - (1 - given) / 2)}
    return _Guess(entry, given, "a fraction: half to twice its distance from one")


def _tidy(number: float) -> float:
    return float(f"{number:.6g}")  # 3e-4 / 10 is not 3e-5


def _literal(text: str) -> str:
    """A text that holds no macro: `$$` is a dollar sign."""
    return re.sub(r"\$(?=[${])", "$$", text)


def _lines(call: _Call, name: str, cwd: str) -> Iterator[str]:
    yield f"# Written for a program's call; look through what is marked `{GUESS}` before it runs."
    yield f"name: {yaml_value(name)}"
    yield f"command: {yaml_value(call.command)}"
    if call.outputs:
        yield f"# {GUESS} {', '.join(call.outputs)}: written by each trial to its own folder"
    if cwd != ".":
        yield f"cwd: {yaml_value(cwd)}"
    if call.cases:
        yield "cases:   # by value, the arguments that stand for it"
        for param, arguments in call.cases.items():
            yield f"  {yaml_value(param)}: {yaml_value(arguments)}"
    if call.seed is not None:
        yield f"seed: {call.seed}   # `seeds: [0, 1, 2]` trains every setting with each"
    yield from results_lines("score", "maximize", guessed="its name, and that more is better")
    yield "parameters:"
    for param, guess in call.searched.items():
        yield f"  {yaml_value(param)}: {yaml_value(guess.entry)}   # {GUESS} {guess.why}"
    given = {param: guess.given for param, guess in call.searched.items()}
    yield f"baseline: {yaml_value(given)}   # the call as it was given: trial 0"
    yield "sampler: {name: tpe, seed: 0}"
    yield "trials: 32"
