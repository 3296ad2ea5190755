"""Error rates, power and coverage of the statistics, on the answers of a real study.

Studies are simulated from the scores by question of all trials of `kl_lr`: questions are drawn
with replacement, so the truth is the mean over its 800. Where nothing shall differ, settings
exchange their answers to each question at random: what a question's answers have in common stays.
Planted points turn wrong answers right. Run by `statistics.py`, which says how.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sweeper.results.evidence import gather
from sweeper.statistics.best import may_be_best
from sweeper.statistics.corrections import holm, max_t, max_t_level
from sweeper.statistics.curse import pessimism, score_of_the_best
from sweeper.statistics.intervals import bca_intervals, difference_intervals
from sweeper.statistics.parts import by_part
from sweeper.statistics.power import detectable_difference, power_to_find
from sweeper.statistics.resampling import Floats
from sweeper.statistics.seeds import seeds_difference_interval, seeds_interval
from sweeper.statistics.sign_flip import sign_flip_p_values
from sweeper.store.workspace import Workspace

STUDY = "kl_lr"
SETTINGS = 20
LEVEL = 0.05
CLOSE = 20  # best trials, within a point and a half of each other
SPREAD = 45  # best trials, within 4 points: as far apart as seeds of an unsteady training
Generator = np.random.Generator


def main(arguments: Sequence[str]) -> None:
    """Print all tables; about seven minutes of one core."""
    parser = argparse.ArgumentParser(prog="statistics.py", description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(), help="holds a finished kl_lr")
    parser.add_argument("--quick", action="store_true", help="a tenth of the studies")
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=list(PARTS))
    chosen = parser.parse_args(arguments)
    answers = real_answers(chosen.workspace)
    print(f"{len(answers)} settings, {answers.shape[1]} questions, {answers.shape[2]} shots\n")
    for name in chosen.only:
        start = time.perf_counter()
        PARTS[name](answers, 10 if chosen.quick else 1)
        print(f"\n({name}: {time.perf_counter() - start:.0f} s)\n", flush=True)


def real_answers(workspace: Path) -> Floats:
    """Scores of all trials, the best first. Shape: ``(K, Q, C)``."""
    folder = Workspace(workspace).study(STUDY)
    if not folder.database.exists() or folder.read_state()["state"] != "finished":
        raise SystemExit(
            f"no finished study {STUDY} in {workspace.resolve()}: run `make run` there, "
            "or name the folder that holds its sweeps/ with --workspace"
        )
    found = [row.scores for row in gather(folder).trials if row.scores is not None]
    answers = np.stack([scores for scores in found if scores.shape == found[0].shape])
    if len(answers) <= SPREAD:
        raise SystemExit(f"{STUDY} has {len(answers)} trials with scores; {SPREAD + 1} are needed")
    return answers


# ---- simulated studies


def drawn(generator: Generator, rows: Floats, questions: int) -> Floats:
    """The same settings on other questions. Shape: ``(K, questions, C)``."""
    return rows[:, generator.integers(0, rows.shape[1], questions)]


def exchanged(generator: Generator, scores: Floats) -> Floats:
    """Answers to each question exchanged between settings: none is better than another."""
    order = generator.random(scores.shape[:2]).argsort(axis=0)
    return np.take_along_axis(scores, order[:, :, None], axis=0)


def some(generator: Generator, answers: Floats, count: int = SETTINGS) -> Floats:
    """Settings picked at random, in random order."""
    return answers[generator.permutation(len(answers))[:count]]


def planted(generator: Generator, scores: Floats, points: float, truth: float) -> Floats:
    """One setting's scores with wrong answers turned right, ``points`` of all in expectation."""
    right = generator.random(scores.shape) < points / (1.0 - truth)
    return np.where(right, 1.0, scores)


def studies(count: int, seed: int) -> Iterator[Generator]:
    """A source of randomness for each simulated study."""
    yield from (np.random.default_rng([seed, index]) for index in range(count))


# ---- tables


def claims(answers: Floats, divisor: int) -> None:
    """No true difference: what is claimed all the same."""
    names = ("no correction", "Holm", "max-T", "verdict (best, max-T)", "baseline left out")
    count, by_setting = 1000 // divisor, np.zeros(len(names))
    best_left_out, any_shots = 0, np.zeros(2)
    few = count // 2
    for index, generator in enumerate(studies(count, 1)):
        scores = exchanged(generator, drawn(generator, some(generator, answers), 200))
        means = scores.mean(axis=2)
        differences = means[1:] - means[0]
        better = differences.mean(axis=1) > 0.0
        p_values, corrected = sign_flip_p_values(differences), max_t(differences)
        stays = may_be_best(means)
        best = differences.mean(axis=1).argmax()
        by_setting += [
            (better & (p_values < LEVEL)).any(),
            (better & (holm(p_values) < LEVEL)).any(),
            (better & (corrected < LEVEL)).any(),
            better[best] and corrected[best] < LEVEL,
            not stays[0],
        ]
        best_left_out += not stays[1]
        if index < few:
            shots = by_part(scores, 0)
            ahead = shots.difference > 0.0
            any_shots += [(ahead & (p < LEVEL)).any() for p in (shots.p, shots.p_max_t)]
    head("no true difference, 20 settings, 200 questions", "claimed", "bound", "studies")
    bounds = ("", "", "", "6.4 %", "6.4 %")
    for name, found, bound in zip(names, by_setting / count, bounds, strict=True):
        row(f"a winner over the baseline: {name}", cent(found), bound, count)
    for name, found in zip(("no correction", "max-T over 20 x 4"), any_shots / few, strict=True):
        row(f"a winner for some number of shots: {name}", cent(found), "", few)
    row("`may_be_best` leaves out a best one", cent(best_left_out / count), "5 %", count)
    kept_best(answers, count)


def kept_best(answers: Floats, count: int) -> None:
    """Settings differ as they do: how often the truly best one is left out."""
    lost, kept = 0, 0
    for generator in studies(count, 2):
        rows = some(generator, answers)
        stays = may_be_best(drawn(generator, rows, 200).mean(axis=2))
        lost += not stays[rows.mean(axis=(1, 2)).argmax()]
        kept += int(stays.sum())
    name = f"... of settings that differ ({kept / count:.1f} of 20 stay)"
    row(name, cent(lost / count), "5 %", count)


def power(answers: Floats, divisor: int) -> None:
    """Planted differences: found as often as the report says."""
    head("planted in one of 20 settings", "announced", "found", "bound", "studies")
    count = 500 // divisor
    cases: list[tuple[str, Floats, int, float | None]] = [
        ("+3 points, 800 questions", answers, 800, 0.03),
        ("+3 points, 800 questions, close settings", answers[:CLOSE], 800, 0.03),
        ("the detectable difference, 800 questions, close", answers[:CLOSE], 800, None),
        ("the detectable difference, 200 questions", answers, 200, None),
    ]
    for seed, (name, rows, questions, points) in enumerate(cases):
        told, plain, found, planned = [], [], 0, points
        if planned is None:
            planned = float(np.mean([announced(g, rows, questions)[1] for g in studies(20, 90)]))
            name += f" (+{100 * planned:.1f})"
        for generator in studies(count, 10 + seed):
            differences = with_planted(generator, rows, questions, planned)
            deviation = float(differences[0].std(ddof=1))
            level = max_t_level(differences)
            told.append(power_to_find(planned, deviation, questions, level=level))
            share = LEVEL / len(differences)
            plain.append(power_to_find(planned, deviation, questions, level=share))
            found += differences[0].mean() > 0 and max_t(differences)[0] < LEVEL
        text = f"{cent(np.mean(told))} (Bonferroni {cent(np.mean(plain))})"
        row(name, text, cent(found / count), "within 5 points", count)


def with_planted(generator: Generator, rows: Floats, questions: int, points: float) -> Floats:
    """Differences from the baseline; the first one is truly better. Shape: ``(K - 1, Q)``."""
    picked = some(generator, rows)
    scores = exchanged(generator, drawn(generator, picked, questions))
    scores[1] = planted(generator, scores[1], points, float(picked.mean()))
    means = scores.mean(axis=2)
    return np.asarray(means[1:] - means[0])


def announced(generator: Generator, rows: Floats, questions: int) -> tuple[float, float]:
    """Level and detectable difference that a study announces."""
    differences = with_planted(generator, rows, questions, 0.03)
    level = max_t_level(differences)
    deviation = float(differences[0].std(ddof=1))
    return level, detectable_difference(deviation, questions, level=level)


def curse(answers: Floats, divisor: int) -> None:
    """What the best of 20 is worth, beside its own score and the corrected one."""
    head(
        "best of 20 on 200 questions, in points",
        "own score, too high by", "corrected, too high by", "bound",
        "pessimism announced", "studies",
    )  # fmt: skip
    equal = ("all equal", "+-0.2")
    cases: list[tuple[tuple[str, str], int, Callable[[Generator], tuple[Floats, Floats]]]] = [
        (equal, 2000, lambda g: level_settings(g, answers)),
        (("all equal, close", "+-0.2"), 2000, lambda g: level_settings(g, answers[:CLOSE])),
        (("as they are", "<= 0.2"), 1000, lambda g: as_they_are(g, some(g, answers))),
        (("as they are, close", "<= 0.2"), 1000, lambda g: as_they_are(g, answers[:CLOSE])),
        (("as they are, within 4 points", "<= 0.2"), 1000,
         lambda g: as_they_are(g, some(g, answers[:SPREAD]))),
        (("one 3 points ahead", "<= 0.2"), 1000, lambda g: one_ahead(g, answers)),
    ]  # fmt: skip
    for seed, ((name, bound), total, draw) in enumerate(cases):
        rows = []
        for generator in studies(total // divisor, 30 + seed):
            scores, truths = draw(generator)
            means = scores.mean(axis=1)
            truth = truths[means.argmax()]
            corrected = score_of_the_best(scores, resamples=500)
            rows.append([means.max() - truth, corrected - truth, pessimism(scores, resamples=500)])
        own, left, told = (f"{100 * value:+.2f}" for value in np.mean(rows, axis=0))
        error = 100 * np.std(rows, axis=0)[1] / np.sqrt(len(rows))
        row(name, own, f"{left} (s.e. {error:.2f})", bound, told.lstrip("+"), len(rows))


def level_settings(generator: Generator, answers: Floats) -> tuple[Floats, Floats]:
    """Scores of settings without a difference, and their true means."""
    rows = some(generator, answers)
    scores = exchanged(generator, drawn(generator, rows, 200)).mean(axis=2)
    return scores, np.full(len(rows), rows.mean())


def as_they_are(generator: Generator, rows: Floats) -> tuple[Floats, Floats]:
    """Scores of settings with their real differences, and their true means."""
    return drawn(generator, rows, 200).mean(axis=2), rows.mean(axis=(1, 2))


def one_ahead(generator: Generator, answers: Floats) -> tuple[Floats, Floats]:
    """Scores of settings of which the last is truly better by 3 points, and their true means."""
    rows = some(generator, answers)
    truths = np.full(len(rows), rows.mean())
    scores = exchanged(generator, drawn(generator, rows, 200))
    scores[-1] = planted(generator, scores[-1], 0.03, float(rows.mean()))
    truths[-1] += 0.03
    return scores.mean(axis=2), truths


def coverage(answers: Floats, divisor: int) -> None:
    """How many intervals hold the truth."""
    head("95 % intervals", "cover", "mean width, points", "bound", "intervals")
    for questions in (200, 800):
        for name, pick, intervals, bound in DRAWN:
            found = np.concatenate(
                [
                    cover(generator, pick(generator, answers), questions, intervals)
                    for generator in studies(40 // divisor, 50)
                ]
            )
            told(f"{name}, {questions} questions", found, bound)
    pool = answers[:SPREAD].mean(axis=2)
    other = answers[SPREAD // 2 : SPREAD // 2 + SPREAD].mean(axis=2)
    count = 1000 // divisor
    for questions in (200, 800):
        for seeds in (2, 3, 5, 8):
            found = np.array([seeds_cover(g, pool, seeds, questions) for g in studies(count, 60)])
            told(f"score over {seeds} seeds, {questions} questions", found, "93-97 %")
    for seeds in (2, 3, 5, 8):
        found = np.array(
            [seeds_difference_cover(g, (pool, other), seeds, 400) for g in studies(count, 61)]
        )
        told(f"difference, {seeds} seeds each, 400 questions", found, "93-97 %")
        found = np.array([same_seeds_cover(g, (pool, other), seeds) for g in studies(count, 62)])
        told(f"difference, the same {seeds} seeds, 400 questions", found, "93-97 %")


def told(name: str, found: Floats, bound: str) -> None:
    """One row of intervals: whether they hold the truth, and their widths."""
    held, widths = found.T
    row(name, cent(held.mean()), f"{100 * widths.mean():.1f}", bound, len(found))


def differing_pairs(low: float, high: float) -> Callable[[Generator, Floats], Floats]:
    """Differences of two trials that differ on so large a share of the questions."""

    def pick(generator: Generator, answers: Floats) -> Floats:
        while True:
            first, second = some(generator, answers, 2)
            share = (first != second).any(axis=1).mean()
            if low < share <= high:
                return np.asarray((first - second).mean(axis=1))

    return pick


DRAWN: list[tuple[str, Callable[[Generator, Floats], Floats], Callable[..., Floats], str]] = [
    ("score", lambda g, answers: some(g, answers, 1)[0].mean(axis=1), bca_intervals, "93-97 %"),
    (
        "difference, over 10 % of questions differ",
        differing_pairs(0.10, 1.0),
        difference_intervals,
        "93-97 %",
    ),
    (
        "difference, 3-10 % of questions differ",
        differing_pairs(0.03, 0.10),
        difference_intervals,
        "93-97 %",
    ),
    (
        "difference, 1-3 % of questions differ",
        differing_pairs(0.01, 0.03),
        difference_intervals,
        "",
    ),
    ("... without the two imagined questions", differing_pairs(0.01, 0.03), bca_intervals, ""),
]


def cover(
    generator: Generator, scores: Floats, questions: int, intervals: Callable[..., Floats]
) -> Floats:
    """Whether intervals hold the mean, and their widths. Shape: ``(50, 2)``."""
    draws = scores[generator.integers(0, len(scores), (50, questions))]
    low, high = intervals(draws, resamples=4000, seed=int(generator.integers(1 << 30))).T
    return np.stack([(low <= scores.mean()) & (scores.mean() <= high), high - low], axis=1)


def seeds_cover(generator: Generator, pool: Floats, seeds: int, questions: int) -> list[float]:
    """Trials stand for seeds of one training."""
    columns = generator.integers(0, pool.shape[1], questions)
    picked = pool[generator.integers(0, len(pool), seeds)][:, columns]
    return holds(seeds_interval(picked, resamples=2000), float(pool.mean()))


def seeds_difference_cover(
    generator: Generator, pools: tuple[Floats, Floats], seeds: int, questions: int
) -> list[float]:
    """Seeds of their own."""
    columns = generator.integers(0, pools[0].shape[1], questions)
    first, second = (pool[generator.integers(0, len(pool), seeds)][:, columns] for pool in pools)
    truth = float(pools[0].mean() - pools[1].mean())
    return holds(seeds_difference_interval(first, second, resamples=2000), truth)


def same_seeds_cover(generator: Generator, pools: tuple[Floats, Floats], seeds: int) -> list[float]:
    """Row n of both stands for seed n."""
    columns = generator.integers(0, pools[0].shape[1], 400)
    rows = generator.integers(0, min(map(len, pools)), seeds)
    differences = (pools[0] - pools[1])[rows]
    truth = float((pools[0] - pools[1]).mean())
    return holds(seeds_interval(differences[:, columns], resamples=2000), truth)


def holds(interval: tuple[float, float] | None, truth: float) -> list[float]:
    """Whether the interval holds the truth, and its width."""
    assert interval is not None
    return [interval[0] <= truth <= interval[1], interval[1] - interval[0]]


def speed(answers: Floats, divisor: int) -> None:
    """10,000 resamples of 200 settings x 800 questions, beside SciPy's."""
    rows = np.resize(answers.mean(axis=2), (200, answers.shape[1]))
    start = time.perf_counter()
    bca_intervals(rows)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    bca_intervals(rows)
    megabytes = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    few = 4
    start = time.perf_counter()
    for scores in rows[:few]:
        stats.bootstrap((scores,), np.mean, n_resamples=10_000, method="BCa", batch=500)
    theirs = (time.perf_counter() - start) * len(rows) / few
    start = time.perf_counter()
    by_part(np.resize(answers, (200, *answers.shape[1:])), 0)
    shots = time.perf_counter() - start
    head("200 settings x 800 questions", "sweeper", "SciPy, a setting at a time", "ratio", "bound")
    name = "BCa intervals, 10,000 resamples"
    row(name, f"{seconds:.2f} s", f"{theirs:.0f} s", f"{seconds / theirs:.3f}", "10 s")
    row("of which memory, at its peak", f"{megabytes:.0f} MB", "", "", "1 GB")
    row("all tests by number of shots", f"{shots:.1f} s", "", "", "")


def head(*names: str) -> None:
    """Print the head of a table."""
    row(*names)
    row(*["---"] * len(names))


def row(*cells: object) -> None:
    """Print a row."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def cent(share: float | NDArray[np.float64]) -> str:
    """A share for people."""
    return f"{100 * float(share):.1f} %"


PARTS: dict[str, Callable[[Floats, int], None]] = {
    "claims": claims,
    "power": power,
    "curse": curse,
    "coverage": coverage,
    "speed": speed,
}
