"""Lines of a study file that runs a program; a guess says that it is one."""

import json
from collections.abc import Iterator

from sweeper.study.yaml_text import yaml_value

GUESS = "guess:"


def results_lines(metric: str, goal: str, *, guessed: str = "") -> Iterator[str]:
    """Yield `results:` and `metric:`; where a program's score stands can only be guessed.

    Args:
        metric: Its name.
        goal: maximize or minimize.
        guessed: What of the metric is a guess, if anything is.
    """
    group = "".join(c if c.isalnum() or c == "_" else "_" for c in metric)
    told = f"{metric}=score" if metric.isidentifier() else f"**{{{json.dumps(metric)}: score}}"
    place = f'file: "${{trial.dir}}/metrics.json", metrics: {{{yaml_value(metric)}: /{metric}}}'
    yield f"# {GUESS} where the score stands. One of three ways is yours:"
    yield f"#   from sweeper.client import report; report(step=epoch, {told})   in the program"
    yield f"#   results: {{{place}}}   if it writes a file"
    yield f"#   results: {{stdout: '{metric}[=: ]+(?P<{group}>)'}}   if it prints a line"
    yield "results: {reported: true}"
    note = f"   # {GUESS} {guessed}" if guessed else ""
    yield f"metric: {{name: {yaml_value(metric)}, goal: {goal}}}{note}"
