"""What a Python program asks of the study that runs it, and tells it: one file, nothing to install.

    from sweeper.client import done, params, report, should_stop

    settings = params(lr=1e-4, epochs=3)
    for epoch in range(1, settings["epochs"] + 1):
        ...
        report(step=epoch, loss=loss, accuracy=accuracy)
        if should_stop():
            break
    done(accuracy=accuracy)

Works from Python 3.8 with the standard library alone, also when it is copied beside a script. It
decides nothing: values are read from the file that `SWEEPER_PARAMS` names, lines appended to the
one of `SWEEPER_REPORT`. Outside of a study `params` returns its defaults and `report` prints.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` would take longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["done", "params", "report", "seed", "should_stop"]

PARAMS = "SWEEPER_PARAMS"  # a JSON file with the trial's values
REPORT = "SWEEPER_REPORT"  # a file of JSON lines, which the study follows
STOP = "SWEEPER_STOP"  # a file that exists once the trial is to end
SEED = "SWEEPER_SEED"
REPORT_FORMAT = 1


def params(**defaults: object) -> dict[str, object]:
    """Return the trial's values over ``defaults``; the defaults alone outside of a study.

    Where a default is a float, a whole number of the study becomes one too.

    Raises:
        RuntimeError: where the study's file cannot be read.
    """
    path = os.environ.get(PARAMS)
    if not path:
        return dict(defaults)
    import json  # at the top it would be most of what importing this module costs

    try:
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
        given = dict(values)
    except (OSError, ValueError, TypeError) as error:
        raise RuntimeError(f"{PARAMS}={path} cannot be read: {error}") from error
    return {**defaults, **{name: _like(defaults.get(name), given[name]) for name in given}}


def seed(default: int = 0) -> int:
    """Return the seed of this trial; ``default`` outside of a study."""
    return int(os.environ.get(SEED) or default)


def report(
    step: int | None = None,
    *,
    scores: Mapping[Any, object] | None = None,
    group: str = "",
    **metrics: object,
) -> None:
    """Tell the study how far the program is. Any process of the trial may.

    Args:
        step: What the metrics belong to, mostly an epoch, counted from one. The study compares
            trials at equal steps; without one the metrics are final numbers.
        scores: By question, so that settings are compared on the same ones. A question that is
            told again has its last score.
        group: Of the scores, such as a benchmark or a number of examples.
        metrics: Numbers, or what has one: a NumPy or a torch scalar. NaN and infinity may be told.

    Raises:
        TypeError: where a value is no number.
    """
    _tell(step, metrics, scores or {}, group)


def done(**metrics: object) -> None:
    """Tell the study the final numbers; they outweigh what was reported by step."""
    _tell(None, metrics, {}, "")


def should_stop() -> bool:
    """Say whether the trial is to end: save what is needed, call `done`, leave with exit code 0."""
    path = os.environ.get(STOP)
    return path is not None and os.path.exists(path)


def _tell(
    step: int | None, metrics: dict[str, object], scores: Mapping[Any, object], group: str
) -> None:
    line: dict[str, object] = {"format": REPORT_FORMAT}
    if step is not None:
        line["step"] = _step(step)
    line["metrics"] = {name: _number(name, value) for name, value in metrics.items()}
    if scores:
        line["scores"] = {str(key): _number(f"scores[{key!r}]", scores[key]) for key in scores}
        line["group"] = str(group)
    path = os.environ.get(REPORT)
    if path:
        _append(path, line)
    else:
        _print(line)


def _append(path: str, line: dict[str, object]) -> None:
    """Append in one write, which no other process can come between.

    The line feed before it ends a line that a killed process left torn.
    """
    import json

    content = f"\n{json.dumps(line)}\n".encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        while content:  # a full disk may take a part of it
            content = content[os.write(file, content) :]
    finally:
        os.close(file)


def _print(line: dict[str, object]) -> None:
    metrics, scores = line["metrics"], line.get("scores")
    words = [f"step {line['step']}"] if "step" in line else []
    if isinstance(metrics, dict):
        words += [f"{name} {value:.6g}" for name, value in metrics.items()]
    if isinstance(scores, dict):
        words.append(f"{len(scores)} scores" + (f" of {line['group']}" if line["group"] else ""))
    print(*words, sep="  ", flush=True)


def _like(default: object, value: object) -> object:
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _step(step: object) -> int:
    number = _number("step", step)
    if number != number or number in (float("inf"), float("-inf")) or number != int(number):
        raise TypeError(f"report(step=...) must be a whole number, but got {step!r}")
    return int(number)


def _number(name: str, value: object) -> float:
    """A number as JSON has it."""
    if isinstance(value, (int, float)):
        return float(value) if isinstance(value, bool) else value
    item = getattr(value, "item", None)  # NumPy, torch, JAX
    try:
        number = item() if callable(item) else value
        if isinstance(number, (str, bytes)):
            raise TypeError("text is no number")
        return float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"report({name}=...) must be a number, but got {value!r}") from error
