"""Logs of Inspect in JSON. Its command exits with 0 after a failed evaluation: the log says so."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from sweeper.problems import listed, suggestion
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.outcome import Outcome, ResultsError
from sweeper.trainers.command.results.pointers import described, number_of
from sweeper.trainers.command.results.rows import read_json

GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}  # correct, partly, incorrect, no answer
Log = Mapping[str, object]


def read_inspect(
    place: Place, pattern: str, metrics: Mapping[str, str], *, newest: bool
) -> Outcome:
    """Read metrics of one log.

    Args:
        place: Where the program ran.
        pattern: The log, or the folder in which it is.
        metrics: `scorer/metric`, or `metric` where one scorer has it, by name.
        newest: Whether several logs may match.

    Raises:
        ResultsError: where there is no new log, it does not tell of success, or has no such metric.
    """
    path, log = read_log(place, pattern, newest=newest)
    numbers = dict(_numbers(log))
    return Outcome(metrics={name: _found(path, numbers, key) for name, key in metrics.items()})


def read_log(place: Place, pattern: str, *, newest: bool) -> tuple[Path, Log]:
    """The log of an evaluation that succeeded. Raises ResultsError."""
    path = place.new_file(_logs(place, pattern), newest=newest)
    log = read_json(path)
    if not isinstance(log, Mapping) or "status" not in log:
        raise ResultsError(f"{path} is no log of Inspect: it has no `status`")
    if log["status"] != "success":
        error = log.get("error")
        message = error.get("message") if isinstance(error, Mapping) else None
        why = f": {message}" if isinstance(message, str) else ""
        raise ResultsError(f"{path}: the evaluation ended with status {log['status']!r}{why}")
    return path, log


def question_scores(path: Path, log: Log, scorer: str | None) -> dict[str, float]:
    """Scores by the id of a sample; of several epochs the mean.

    Args:
        path: Of the log, for messages.
        log: With samples.
        scorer: Name of one; None where there is one only.

    Raises:
        ResultsError: where there is no such scorer, or a value is no score.
    """
    found: dict[str, list[float]] = {}
    samples = log.get("samples")
    for sample in samples if isinstance(samples, list) else ():
        scores = sample.get("scores") if isinstance(sample, Mapping) else None
        if not isinstance(scores, Mapping) or not scores:
            raise ResultsError(f"{path}: a sample has no scores")
        name = scorer if scorer is not None else next(iter(scores))
        if name not in scores or (scorer is None and len(scores) > 1):
            there = f"there are {listed(scores)}{suggestion(name, scores)}"
            raise ResultsError(f"{path}: no scorer {described(scorer)}; {there}")
        score = scores[name]
        value = score.get("value") if isinstance(score, Mapping) else None
        number = GRADES.get(value) if isinstance(value, str) else None
        number = number_of(value) if number is None else number
        if number is None:
            raise ResultsError(f"{path}: sample {sample.get('id')!r} has {described(value)}")
        found.setdefault(str(sample.get("id")), []).append(number)
    if not found:
        raise ResultsError(f"{path} has no samples; they are left out by `--no-log-samples`")
    return {key: sum(numbers) / len(numbers) for key, numbers in found.items()}


def _logs(place: Place, pattern: str) -> str:
    if pattern.endswith(".eval"):
        raise ResultsError(
            f"{pattern!r} is Inspect's packed form; run it with `--log-format json` and name the "
            ".json file"
        )
    return f"{pattern}/*.json" if place.is_folder(pattern) else pattern


def _numbers(log: Log) -> Iterator[tuple[str, float]]:
    """Every metric as `scorer/metric`."""
    results = log.get("results")
    scores = results.get("scores") if isinstance(results, Mapping) else None
    for score in scores if isinstance(scores, list) else ():
        metrics = score.get("metrics") if isinstance(score, Mapping) else None
        for name, metric in metrics.items() if isinstance(metrics, Mapping) else ():
            number = number_of(metric.get("value")) if isinstance(metric, Mapping) else None
            if number is not None:
                yield f"{score.get('name')}/{name}", number


def _found(path: Path, numbers: Mapping[str, float], key: str) -> float:
    if key in numbers:
        return numbers[key]
    named = [name for name in numbers if name.rpartition("/")[2] == key]
    if len(named) == 1:
        return numbers[named[0]]
    there = f"there are {listed(sorted(numbers))}" if numbers else "it has none"
    which = "several scorers have" if named else "no"
    near = "" if named else suggestion(key, [*numbers, *(n.rpartition("/")[2] for n in numbers)])
    raise ResultsError(f"{path}: {which} metric {described(key)}; {there}{near}")
