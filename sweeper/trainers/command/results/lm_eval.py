"""What lm-evaluation-harness leaves in its output folder: results by task, samples by question."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sweeper.problems import listed, suggestion
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.outcome import Outcome, ResultsError
from sweeper.trainers.command.results.pointers import described, number_of
from sweeper.trainers.command.results.rows import read_json

SAMPLES = re.compile(r"samples_(?P<task>.+)_\d{4}-\d\d-\d\dT[^_]*\.jsonl")
NO_FILTER = "none"  # its name for the answer as it came


def read_lm_eval(place: Place, output: str, metrics: Mapping[str, str]) -> Outcome:
    """Read metrics of tasks, each from the newest file that has it.

    Args:
        place: Where the program ran.
        output: What the harness was given as `--output_path`.
        metrics: `task/metric` or `task/metric,filter`, by name; without a filter there must be one
            only.

    Raises:
        ResultsError: where there is no new file, or none has a metric.
    """
    results: dict[str, tuple[Path, float]] = {}
    for path in place.new_files(_results(place, output)):
        for key, value in _entries(read_json(path)):
            number = number_of(value)
            if number is not None:
                results[key] = (path, number)
    return Outcome(metrics={name: _found(output, results, key) for name, key in metrics.items()})


def sample_files(place: Place, output: str) -> list[tuple[str, Path]]:
    """The newest samples of each task. Raises ResultsError where there are none."""
    folder = output.rpartition("/")[0] or "." if output.endswith(".json") else output
    try:
        paths = place.new_files(f"{folder}/**/samples_*.jsonl")
    except ResultsError as error:
        raise ResultsError(f"{error}; scores by question need `--log_samples`") from error
    found = {named["task"]: path for path in paths if (named := SAMPLES.fullmatch(path.name))}
    return sorted(found.items())


def _results(place: Place, output: str) -> str:
    """The glob of the files with results: `--output_path x.json` writes `x_<time>.json`."""
    if output.endswith(".json"):
        return f"{output.removesuffix('.json')}_*.json"
    return f"{output}/**/results_*.json"


def _entries(content: object) -> Iterator[tuple[str, object]]:
    """Every number of a file as `task/metric,filter`."""
    results = content.get("results") if isinstance(content, Mapping) else None
    for task, numbers in results.items() if isinstance(results, Mapping) else ():
        for metric, value in numbers.items() if isinstance(numbers, Mapping) else ():
            yield f"{task}/{metric}", value


def _found(output: str, results: Mapping[str, tuple[Path, float]], key: str) -> float:
    if key in results:
        return results[key][1]
    filtered = [found for found in results if found.rpartition(",")[0] == key]
    if len(filtered) == 1:
        return results[filtered[0]][1]
    if filtered:
        raise ResultsError(f"{output}: {key!r} has several filters: {listed(sorted(filtered))}")
    names = sorted(name for name in results if "_stderr," not in name)
    there = f"there are {listed(names[:12])}" if names else "there is no number"
    raise ResultsError(f"{output}: no results of {described(key)}; {there}{suggestion(key, names)}")
