"""Settings, states and costs as people read them; scores are written by `scales`. Pure."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweeper.scales import Scale, told_scale
from sweeper.space import Value

if TYPE_CHECKING:  # importing it imports pydantic
    from sweeper.outcomes import Calls
    from sweeper.records import State

SAVED_BY = (  # cause of a call that was not made, in a result -> its name for people
    ("stage", "stages"),
    ("store", "the store"),
    ("equal", "equal calls"),
)


LONGEST = 2000  # characters of a line; a failure may quote 20 kB of a log
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """A text from elsewhere as it may be shown: no control sequence, no endless line."""
    lines = _UNSEEN.sub("", _SEQUENCE.sub("", text)).split("\n")
    return "\n".join(line if len(line) <= LONGEST else f"{line[:LONGEST]} ..." for line in lines)


def duration_text(seconds: float) -> str:
    """Seconds as a study file has them: 5400 is `1h30m`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{number:g}{unit}" for number, unit in parts if number) or "0s"


def shown(value: Value) -> str:
    """A parameter's value for people: four digits of a float, everything else whole."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def scale_of(state: "State") -> Scale:
    """The scale of the scores in a state."""
    return told_scale(state.get("scale"), state.get("goal", "maximize"))


def counts_line(state: "State") -> str:
    """The state of a study in one line."""
    counts = state["counts"]
    words = [f"{counts[name]} {name}" for name in ("complete", "failed", "pruned") if counts[name]]
    best = state["best"]
    tail = ""
    if best is not None:
        score = scale_of(state).text(best["score"])
        tail = f"; best: trial {best['trial']}, {score}"
    shorter = state.get("shared_prefix", 0)
    also = f" and {shorter} shorter trainings on their way" if shorter else ""
    return (
        f"{state['study']}: {', '.join(words) or '0 complete'} of {state['trials']} trials{also}, "
        f"{counts['running']} running{tail}"
    )


def calls_text(calls: "Calls") -> str:
    """Calls of a trial or a study: what was asked, and what was saved by which means."""
    saved = [(getattr(calls, cause), name) for cause, name in SAVED_BY]
    causes = ", ".join(f"{count:,} by {name}" for count, name in saved if count)
    asked = f"{calls.asked:,} of {calls.needed:,} asked"
    return f"{asked}, saved {causes}" if causes else asked


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in one line."""
    return " ".join(f"{name}={shown(value)}" for name, value in params.items())
