"""Results that no job gave: means over seeds, answers from another trial's record. Pure."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from trainer.contract import TrainSpec


def from_record(
    notes: Mapping[str, Any], source: int | str, lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The notes of a trial that is answered from another one's record, without a job.

    Args:
        notes: Of the other.
        source: Its name.
        lines: Its epochs up to the last that this trial has; the last one's numbers are its own.
    """
    needed = sum(line["metrics"].get("reader_calls", 0) for line in lines)
    own = {name: notes.get(name) for name in ("accuracy", "stage", "evaluation")}
    if lines:
        own = {name: entry for name, entry in of_line(lines[-1]).items() if name in own}
    return {
        **own,
        "device": notes.get("device", ""),
        "source": notes.get("source", source),
        **({"repeat": notes["repeat"]} if "repeat" in notes else {}),
        "epochs_trained": 0,
        "reader_calls": {"needed": needed, "asked": 0, "stage": needed, "store": 0, "equal": 0},
    }


def of_line(line: Mapping[str, Any]) -> dict[str, Any]:
    """Score, accuracy by number of shots, stage and evaluation of an epoch's line."""
    key, metrics = "accuracy/shot_", line["metrics"]
    return {
        "score": metrics.get("score"),
        "accuracy": {n.removeprefix(key): v for n, v in metrics.items() if n.startswith(key)},
        "stage": line.get("stage"),
        "evaluation": line.get("evaluation"),
    }


def mean_result(results: Sequence[Mapping[str, Any]], seeds: Sequence[int]) -> dict[str, Any]:
    """One result of a setting that was trained with several seeds.

    Scores are means and costs are sums; stage, evaluation and environment are the first seed's.

    Args:
        results: One a seed.
        seeds: In the same order.

    Returns:
        A result with ``seeds``, what each seed gave, and ``spread``, the standard deviation of
        their scores (with n - 1; None of one seed).
    """
    scores = [result["score"] for result in results]
    shots = results[0]["accuracy"]
    causes = results[0]["reader_calls"]
    kept = ("score", "accuracy", "stage", "evaluation")
    return {
        **results[0],
        "score": fmean(scores),
        "accuracy": {s: fmean(result["accuracy"][s] for result in results) for s in shots},
        "spread": stdev(scores) if len(scores) > 1 else None,
        "seeds": [
            {"seed": seed, **{name: result.get(name) for name in kept}}
            for seed, result in zip(seeds, results, strict=True)
        ],
        "epochs_trained": sum(result["epochs_trained"] for result in results),
        "reader_calls": {
            cause: sum(result["reader_calls"][cause] for result in results) for cause in causes
        },
    }


def mean_lines(seeds: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The epochs that every seed has, their metrics as means over the seeds; calls are summed."""
    if len(seeds) == 1:
        return [dict(line) for line in seeds[0]]
    return [
        {**lines[0], "metrics": _mean_metrics([line["metrics"] for line in lines])}
        for lines in zip(*seeds, strict=False)
    ]


def _mean_metrics(metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    means: dict[str, Any] = {}
    for name in metrics[0]:
        values = [entry[name] for entry in metrics if entry.get(name) is not None]
        means[name] = fmean(values) if len(values) == len(metrics) else None
    means["reader_calls"] = sum(entry.get("reader_calls", 0) for entry in metrics)
    return means


def result_tags(spec: TrainSpec, result: Mapping[str, Any]) -> dict[str, str]:
    """What a complete trial was made of, and how much of it was trained for it, as MLflow tags."""
    environment = result["environment"]
    trained, epochs = result["epochs_trained"], spec.phases[-1].settings.trained_epochs
    origin = "trained" if trained >= epochs else "extended" if trained else "cached"
    told = {name: environment.get(name) for name in ("data", "training", "start", "reader")}
    return {
        **{f"sweeper.{name}": value for name, value in told.items() if value},
        "sweeper.origin": origin,
        "sweeper.stage": result["stage"],
        "sweeper.torch": environment["torch"],
    }
