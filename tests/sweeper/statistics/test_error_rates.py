"""The benchmark's simulated studies, and its name, which is one of the standard library's."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Answers

from benchmarks.error_rates import drawn, exchanged, planted, real_answers

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def test_exchanged_answers_stay_with_their_question_and_favour_no_setting(answers: Answers) -> None:
    generator = np.random.default_rng(0)
    scores = answers(generator, 3, 400)
    scores[0] = 1.0
    found = exchanged(generator, scores)
    assert (np.sort(found.sum(axis=2), axis=0) == np.sort(scores.sum(axis=2), axis=0)).all()
    assert (found == 1.0).all(axis=2).mean(axis=1) == pytest.approx(
        np.full(3, (scores == 1.0).all(axis=2).mean()), abs=0.07
    )


def test_planted_points_are_there_in_expectation(answers: Answers) -> None:
    generator = np.random.default_rng(1)
    scores = drawn(generator, answers(generator, 1, 800), 20_000)[0]
    better = planted(generator, scores, 0.03, float(scores.mean()))
    assert (better >= scores).all()
    assert better.mean() - scores.mean() == pytest.approx(0.03, abs=0.003)


def test_without_a_finished_study_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"no finished study kl_lr in .*: run `make run` there"):
        real_answers(tmp_path)


def test_programs_beside_it_still_find_the_librarys_statistics() -> None:
    code = "import random, statistics; print(statistics.fmean([1, 2]), statistics.__doc__[:5])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "1.5"
