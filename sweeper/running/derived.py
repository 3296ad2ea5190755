"""Results that no job gave: means over seeds, answers from another trial's record. Pure."""

from collections.abc import Sequence
from statistics import fmean, stdev

from sweeper.outcomes import Calls, Epoch, Result, total_calls
from sweeper.records import CALLS_KEY, Final, Notes, SeedScore, told_parts


def from_record(
    notes: Notes, source: int | str, epochs: Sequence[Epoch], *, parts: Sequence[str]
) -> Notes:
    """The notes of a trial that is answered from another one's record, without a job.

    Args:
        notes: Of the other.
        source: Its name.
        epochs: Its epochs up to the last that this trial has; the last one's numbers are its own.
        parts: Of the score.
    """
    needed = sum(epoch.calls for epoch in epochs)
    last = epochs[-1] if epochs else notes
    return Notes(
        accuracy=last.accuracy if isinstance(last, Notes) else told_parts(last, parts),
        stage=last.stage,
        evaluation=last.evaluation,
        device=notes.device,
        source=source if notes.source is None else notes.source,
        repeat=notes.repeat,
        epochs_trained=0,
        calls=Calls(needed=needed, stage=needed),
    )


def seed_score(seed: int, scored: Epoch | Result, *, parts: Sequence[str] = ()) -> SeedScore:
    """What one seed gave, of its result or of an epoch on its way."""
    return SeedScore(
        seed=seed,
        score=scored.score,
        accuracy=told_parts(scored, parts) if isinstance(scored, Epoch) else scored.accuracy,
        stage=scored.stage,
        evaluation=scored.evaluation,
    )


def notes_of(results: Sequence[Result], seeds: Sequence[int]) -> Notes:
    """What is known of a trial from its results.

    Of several seeds accuracies are means and costs are sums; stage, evaluation and device are the
    first one's.

    Args:
        results: One, or one a seed.
        seeds: In the same order; none where each setting has one job.
    """
    first = results[0]
    return Notes(
        accuracy=_mean_accuracy(results),
        stage=first.stage,
        evaluation=first.evaluation,
        device=first.environment.get("device", ""),
        epochs_trained=sum(result.epochs_trained for result in results),
        calls=total_calls(result.calls for result in results),
        seeds=_seed_scores(results, seeds) if seeds else (),
        spread=_spread(results),
        raced_out=first.raced_out,
    )


def mean_final(results: Sequence[Result], seeds: Sequence[int]) -> Final:
    """What a finalist's seeds gave together."""
    return Final(
        score=mean_score(results),
        accuracy=_mean_accuracy(results),
        questions=results[0].questions or 0,
        spread=_spread(results),
        seeds=_seed_scores(results, seeds),
        calls=total_calls(result.calls for result in results),
        epochs_trained=sum(result.epochs_trained for result in results),
    )


def mean_score(results: Sequence[Result]) -> float:
    """The mean of the scores of several seeds."""
    return fmean(result.score for result in results)


def _mean_accuracy(results: Sequence[Result]) -> dict[str, float]:
    return {
        parts: fmean(result.accuracy[parts] for result in results) for parts in results[0].accuracy
    }


def _seed_scores(results: Sequence[Result], seeds: Sequence[int]) -> tuple[SeedScore, ...]:
    return tuple(seed_score(seed, r) for seed, r in zip(seeds, results, strict=True))


def _spread(results: Sequence[Result]) -> float | None:
    """Standard deviation of the scores, with n - 1; None of one seed."""
    return stdev(result.score for result in results) if len(results) > 1 else None


def mean_epochs(seeds: Sequence[Sequence[Epoch]]) -> list[Epoch]:
    """The epochs that every seed has, their metrics as means over the seeds; calls are summed."""
    if len(seeds) == 1:
        return list(seeds[0])
    return [
        epochs[0].model_copy(update={"metrics": _mean_metrics(epochs)})
        for epochs in zip(*seeds, strict=False)
    ]


def _mean_metrics(epochs: Sequence[Epoch]) -> dict[str, float | None]:
    means: dict[str, float | None] = {}
    for name in epochs[0].metrics:
        values = [v for epoch in epochs if (v := epoch.metrics.get(name)) is not None]
        means[name] = fmean(values) if len(values) == len(epochs) else None
    means[CALLS_KEY] = sum(epoch.calls for epoch in epochs)
    return means
