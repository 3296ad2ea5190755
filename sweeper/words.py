"""Numbers, settings and costs as people read them: fractions inside, per cent here. Pure."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sweeper.space import Value

if TYPE_CHECKING:  # importing it imports pydantic
    from sweeper.outcomes import Calls
    from sweeper.records import State

PARTS = "shots"  # what people call the parts that a score is the mean of
CALLS = "reader calls"  # and what answers cost
NOUNS: Mapping[str, Mapping[str, str]] = {  # the same in sentences, by language
    "en": {
        "part": "{part} shots",
        "part_1": "1 shot",
        "parts": "number of shots",
        "part_key": "shot_2",
        "calls": CALLS,
    },
    "zh": {
        "part": "Shot {part}",
        "part_1": "Shot 1",
        "parts": " shot 数",
        "part_key": "shot_2",
        "calls": "读者模型调用",
    },
}
SAVED_BY = (  # cause of a call that was not made, in a result -> its name for people
    ("stage", "stages"),
    ("store", "the store"),
    ("equal", f"equal {PARTS}"),
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


def part_key(part: str) -> str:
    """What columns and metrics call one of the scores that a score is the mean of: `shot_2`."""
    return f"shot_{part}"


def part_label(part: str) -> str:
    """The same for people."""
    return f"{part} shot{'s' if part != '1' else ''}"


def shown(value: Value) -> str:
    """A parameter's value for people: four digits of a float, everything else whole."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def per_cent(fraction: float) -> str:
    """A fraction as per cent with one decimal."""
    return f"{100 * fraction:.1f}"


def score_number(score: float, goal: str) -> str:
    """A score without its unit: accuracies in per cent, losses, which are minimized, in nats."""
    return per_cent(score) if goal == "maximize" else f"{score:.4f}"


def score_text(score: float, goal: str) -> str:
    """A score with its unit."""
    return f"{score_number(score, goal)} {'%' if goal == 'maximize' else 'nats'}"


def counts_line(state: "State") -> str:
    """The state of a study in one line."""
    counts = state["counts"]
    words = [f"{counts[name]} {name}" for name in ("complete", "failed", "pruned") if counts[name]]
    best = state["best"]
    tail = ""
    if best is not None:
        score = score_text(best["score"], state.get("goal", "maximize"))
        tail = f"; best: trial {best['trial']}, {score}"
    shorter = state.get("shared_prefix", 0)
    also = f" and {shorter} shorter trainings on their way" if shorter else ""
    return (
        f"{state['study']}: {', '.join(words) or '0 complete'} of {state['trials']} trials{also}, "
        f"{counts['running']} running{tail}"
    )


def calls_text(calls: "Calls") -> str:
    """Reader calls of a trial or a study: what was asked, and what was saved by which means."""
    saved = [(getattr(calls, cause), name) for cause, name in SAVED_BY]
    causes = ", ".join(f"{count:,} by {name}" for count, name in saved if count)
    asked = f"{calls.asked:,} of {calls.needed:,} asked"
    return f"{asked}, saved {causes}" if causes else asked


def params_text(params: Mapping[str, Any]) -> str:
    """Parameters in one line."""
    return " ".join(f"{name}={shown(value)}" for name, value in params.items())
