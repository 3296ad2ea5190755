"""Evidence written by hand: rows with right and wrong answers, no folder, no files."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from fakes.plain_trainer import PlainTrainer

from sweeper.outcomes import Calls
from sweeper.results.evidence import Evidence, Kind, Scored
from sweeper.space import Value
from sweeper.study.config import StudyConfig, parse_study, training_of
from sweeper.study.sections import Metric
from sweeper.trainers import Capabilities, Trainer

STUDY = """\
name: rows
trainer:
  phases:
    - rce: {epochs: 1}
    - grpo: {lr: "${step}", kl_beta: "${pull}", epochs: "${length}", freeze: "${what}"}
parameters:
  step: {min: 1e-5, max: 1e-2, log: true}
  pull: {min: 0.01, max: 0.3}
  length: {min: 1, max: 6}
  what: {values: [backbone, none, projections, {head_then_all: 2}]}
"""
SETTING: dict[str, Value] = {"step": 1e-3, "pull": 0.1, "length": 3, "what": "none"}


def study(more: str = "") -> StudyConfig:
    """A study whose parameters have names that say nothing."""
    return parse_study(STUDY + more, Path("rows.yaml"))


class Perplexity(StudyConfig):
    """The same study, scored by a number of any range, question by question: less is better."""

    __slots__ = ()

    @property
    def kind(self) -> Trainer:
        """Another trainer than the built-in one."""
        return PlainTrainer()

    @property
    def can(self) -> Capabilities:
        """What it offers: the parts of a score are two sets of texts."""
        own = replace(self.kind.capabilities({}), metric="perplexity", parts=("web", "books"))
        return replace(own, questions=40, questions_key="texts", by_question=True)


def perplexity() -> StudyConfig:
    """A study of the other kind."""
    known = {field.name: getattr(study(), field.name) for field in fields(StudyConfig)}
    return Perplexity(**{**known, "metric": Metric(name="perplexity", goal="minimize")})


def losses(name: int, web: float, books: float, **more: Any) -> Scored:
    """A trial of it: so much on each of 40 texts and more on every second one."""
    texts = np.array([[web, books], [web + 2.0, books + 2.0]] * 20)
    scored = row(name, texts, **more)
    named = dict(zip(("web", "books"), texts.mean(axis=0).tolist(), strict=True))
    return replace(scored, accuracy=named)


def answers(*right: int, of: int = 40, shots: int = 1) -> np.ndarray:
    """Answers of ``of`` questions, of which the first so many are right, by number of shots."""
    columns = [np.arange(of) < count for count in (right if len(right) > 1 else right * shots)]
    return np.stack(columns, axis=1).astype(np.float64)


def row(name: int | str, scores: np.ndarray | None, *, kind: Kind = "trial", **more: Any) -> Scored:
    """A trial with these scores by question; other keywords are parameters or fields of a row."""
    params = SETTING | {key: more.pop(key) for key in SETTING if key in more}
    by_part = [0.5] if scores is None else scores.mean(axis=0).tolist()
    accuracy = {str(count): mean for count, mean in enumerate(by_part, start=1)}
    return Scored(
        label=f"{'control' if kind == 'control' else 'trial'} {name}",
        kind=kind,
        params={} if kind == "control" else params,
        score=more.pop("score", sum(by_part) / len(by_part)),
        accuracy=accuracy,
        questions=None if scores is None else len(scores),
        scores=scores,
        training=None if kind == "control" else training_of(study(), params),
        **more,
    )


def evidence(rows: Sequence[Scored], **more: Any) -> Evidence:
    """A study with these rows, the best first."""
    known: dict[str, Any] = {"config": study(), "imported": (), "confirmed": {}, "lost": ()}
    empty: dict[str, Any] = {"states": {}, "failures": {}, "environment": {}, "data": {}}
    empty["tensor_means"] = {}
    return Evidence(rows=rows, liveness=None, calls=Calls(), **{**known, **empty, **more})
