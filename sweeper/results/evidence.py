"""All that is known of one study, gathered for whoever explains it: scores, choices, curves, costs.

Scores by question are read from the evaluations of the workspace and held against the recorded
means: a file that is missing, damaged or does not agree is left out and told, never shown.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweeper.importing.entries import Entry, evaluation_of
from sweeper.importing.known import mean_accuracy
from sweeper.outcomes import (
    Calls,
    Check,
    Epoch,
    Liveness,
    Result,
    read_data,
    read_epochs,
    read_result,
)
from sweeper.ranking import baseline_of, ranking, told_score
from sweeper.records import CALLS_KEY, CANCELLED, TrialRecord, TrialState
from sweeper.space import Value, complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import read_stored
from sweeper.study.config import StudyConfig, stored_study, training_of
from sweeper.trainers import Trainer, Training

Kind = Literal["control", "baseline", "trial", "imported"]
_TOLERANCE = 1e-6  # between a recorded mean and that of the scores beside it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no equality
class Scored:
    """One row of a study: a control, a trial, or a result that was measured elsewhere."""

    label: str  # "control start", "trial 7", "imported 2"
    kind: Kind
    params: Mapping[str, Value]
    score: float  # as measured
    accuracy: Mapping[str, float]  # by part of the score
    questions: int | None  # that were asked
    scores: NDArray[np.float64] | None = None  # Shape: (Q, C)
    choices: NDArray[np.int64] | None = None  # chosen demonstrations. Shape: (Q, S)
    seed_scores: NDArray[np.float64] | None = None  # of several seeds. Shape: (N, Q, C)
    training: Training | None = None
    stage: str = ""  # key of its last stage
    epochs: Sequence[Epoch] = ()
    seconds: float | None = None
    calls: int | None = None  # asked
    origin: str = ""
    source: str = ""  # of an imported row: where it was measured
    evaluation: str = ""  # what it was measured on; empty: the study's own questions and reader
    mismatch: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters whose label is not what the checkpoint holds: `{"kl_beta": {"label": 0.15,
    "checkpoint": 0.1, "adaptation": -1}}`; the checkpoint's value is the one among the params."""
    final: bool = False  # of a finalist: with more seeds or questions than the search
    searched: Mapping[str, float] = field(default_factory=dict)
    """A trial's accuracies in the search, by which finalists and others are put in order."""

    def chooses_as(self, other: "Scored") -> bool:
        """Whether both are known to choose the same demonstrations for every question."""
        if self.choices is None or other.choices is None:
            return False
        return bool(np.array_equal(self.choices, other.choices))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One study as it stands."""

    config: StudyConfig
    rows: Sequence[Scored]  # controls, then trials from best to worst
    imported: Sequence[Scored]  # of another evaluation: never ranked with the others
    states: Mapping[str, int]  # how many proposals are complete, failed, pruned, cancelled, running
    failures: Mapping[str, int]  # by class
    liveness: Liveness | None  # what the probe found
    environment: Mapping[str, str]  # digests and versions of the controls
    data: Mapping[str, Any]  # the data contract
    confirmed: Mapping[str, Scored]  # on the held-out questions; see `held_out`
    calls: Calls  # by what became of them
    tensor_means: Mapping[str, tuple[float, float]]
    """Mean of each tensor of the best trial, at the start of its last phase and at its end."""
    lost: Sequence[str]  # labels of rows whose scores by question could not be read

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is: by it differences say which way is up."""
        return 1.0 if self.config.goal == "maximize" else -1.0

    @property
    def baseline(self) -> Scored | None:
        """The trial that everything is compared with."""
        rows = self.rows if self.trials else self.imported
        return next((row for row in rows if row.kind == "baseline"), None)

    @property
    def trials(self) -> list[Scored]:
        """Complete trials, best first, without the controls."""
        return [row for row in self.rows if row.kind != "control"]

    @property
    def queries(self) -> Sequence[int]:
        """Ids of the questions in the order asked, as far as they are known."""
        queries: Sequence[int] = self.data.get("facts", {}).get("asked_queries", ())
        return queries

    def control(self, name: str) -> Scored | None:
        """A control by its name."""
        return next((row for row in self.rows if row.label == f"control {name}"), None)


def gather(folder: StudyFolder) -> Evidence:
    """Read a study, whether a driver works on it or not; writes nothing."""
    attributes, records = read_stored(folder.database, folder.name)
    config = stored_study(attributes["study"], folder.study_file)
    state = folder.read_state() if (folder.root / "state.json").exists() else {}
    found = read_result(folder.controls)
    check = found if isinstance(found, Check) else None
    source = _Source(folder, config)
    rows = [*_controls(source, check), *_trials(source, records)]
    best = (state.get("best") or {}).get("trial")
    proposals = [record for record in records if record.prefix is None]
    told = [CANCELLED if record.is_cancelled else record.state.value for record in proposals]
    kinds = [r.notes.failure or "" for r in proposals if r.state is TrialState.FAILED]
    return Evidence(
        config=config,
        rows=rows,
        imported=_imported(attributes.get("imported", []), config),
        states={state: told.count(state) for state in sorted(set(told))},
        failures={name: kinds.count(name) for name in dict.fromkeys(kinds)},
        liveness=None if check is None else check.liveness,
        environment={} if check is None else check.environment,
        data=read_data(folder.controls) or {},
        confirmed=held_out(_confirmed(source, rows), f"trial {best}"),
        calls=Calls.model_validate(state.get(CALLS_KEY, {})),
        tensor_means=_tensor_means(config.kind, folder, rows),
        lost=source.lost,
    )


def held_out(rows: Sequence[Scored], best: str) -> dict[str, Scored]:
    """Rows of the held-out questions under "start", "baseline" and "best", as far as there are
    such, then the others under their labels.

    Args:
        rows: Of the start and of trials.
        best: Label of the best.
    """
    roles = [("start", row) for row in rows if row.kind == "control"]
    roles += [("baseline", row) for row in rows if row.kind == "baseline"]
    roles += [("best", row) for row in rows if row.label == best]
    named = dict(roles)
    told = {row.label for row in named.values()}
    return named | {row.label: row for row in rows if row.label not in told}


def asked_alike(rows: Sequence[Scored], first: Scored) -> list[Scored]:
    """Rows with scores for the very questions of ``first``, all of them known."""
    if first.scores is None:
        return []
    return [
        row
        for row in rows
        if row.scores is not None
        and row.scores.shape == first.scores.shape
        and np.isfinite(row.scores).all()
    ]


def settings_of(rows: Sequence[Scored]) -> list[Scored]:
    """The trials among the rows, each setting once: the first that has it."""
    found: dict[frozenset[tuple[str, object]], Scored] = {}
    for row in rows:
        if row.kind != "control":
            found.setdefault(frozenset(row.params.items()), row)
    return list(found.values())


class _ByQuestion(NamedTuple):
    """What is known of a row question by question."""

    scores: NDArray[np.float64] | None  # means over the seeds. Shape: (Q, C)
    choices: NDArray[np.int64] | None  # of the first seed. Shape: (Q, S)
    by_seed: NDArray[np.float64] | None  # of several seeds. Shape: (N, Q, C)


_UNKNOWN = _ByQuestion(None, None, None)


class _Source:
    """Reads scores by question; remembers whose were not to be had."""

    def __init__(self, folder: StudyFolder, config: StudyConfig) -> None:
        self.folder = folder
        self.config = config
        self.lost: list[str] = []

    def scores(
        self, label: str, keys: Sequence[str | None], accuracy: Mapping[str, float], count: int
    ) -> _ByQuestion:
        """Scores of one evaluation, or of one a seed."""
        if not accuracy or not self.config.can.by_question:
            return _UNKNOWN
        parts = [self._part(key, count) for key in keys]
        found = [part for part in parts if part is not None]
        if not found or len({scores.shape for scores, _ in found}) > 1 or len(found) < len(parts):
            self.lost.append(label)
            return _UNKNOWN
        each = np.stack([scores for scores, _ in found])
        scores = each.mean(axis=0)
        with np.errstate(invalid="ignore"):
            means = np.nanmean(scores, axis=0) if len(scores) else np.array([math.nan])
        if not np.allclose(means, list(accuracy.values()), atol=_TOLERANCE):
            self.lost.append(label)
            return _UNKNOWN
        choices = found[0][1] if found[0][1].size else None  # nothing was to be chosen
        return _ByQuestion(scores, choices, each if len(each) > 1 else None)

    def in_order(self, accuracy: Mapping[str, float]) -> dict[str, float]:
        """Parts as their columns stand in scores by question, whatever a file made of them."""
        can = self.config.can
        return {part: accuracy[part] for part in can.nouns.in_order(accuracy, can.parts)}

    def _part(
        self, key: str | None, count: int
    ) -> "tuple[NDArray[np.float64], NDArray[np.int64]] | None":
        return self.config.kind.scores(self.folder.stages, key, count)


def _controls(source: _Source, check: Check | None) -> Iterator[Scored]:
    if check is None:
        return
    keys = source.config.kind.control_keys(source.folder.controls)
    for name, scores in check.controls.items():
        count, parts = scores.questions or 0, source.in_order(scores.accuracy)
        known = source.scores(f"control {name}", [keys.get(name)], parts, count)
        yield Scored(
            label=f"control {name}",
            kind="control",
            params={},
            score=scores.score,
            accuracy=parts,
            questions=count,
            scores=known.scores,
            choices=known.choices,
        )


def _trials(source: _Source, records: Sequence[TrialRecord]) -> Iterator[Scored]:
    baseline = baseline_of(records)
    asked = source.config.can.questions
    for record in ranking(records, goal=source.config.goal):
        notes, final = record.notes, record.final
        told = notes if final is None else final
        count = asked if final is None else final.questions
        own = [seed.evaluation for seed in told.seeds] or [notes.evaluation]
        label, parts = f"trial {record.name}", source.in_order(told.accuracy)
        known = source.scores(label, own, parts, count)
        yield Scored(
            label=label,
            kind="baseline" if baseline is not None and record.name == baseline.name else "trial",
            params=record.values,
            score=told_score(record),
            accuracy=parts,
            questions=count if known.scores is None else len(known.scores),
            scores=known.scores,
            choices=known.choices,
            seed_scores=known.by_seed,
            training=training_of(source.config, record.values, repeat=notes.repeat),
            stage=notes.stage or "",
            epochs=_epochs(source.folder, record),
            final=final is not None,
            searched=notes.accuracy,
            seconds=notes.seconds,
            calls=None if notes.calls is None else notes.calls.asked,
            origin=notes.origin,
        )


def _confirmed(source: _Source, rows: Sequence[Scored]) -> list[Scored]:
    """The start and the trials as the held-out questions see them, in the order of ``rows``."""
    found = []
    for row in rows:
        result = read_result(source.folder.confirmation(row.label.split()[-1]))
        if not isinstance(result, Result):
            continue
        count = result.questions or 0
        label, parts = f"{row.label} (held out)", source.in_order(result.accuracy)
        known = source.scores(label, [result.evaluation], parts, count)
        found.append(
            Scored(
                label=row.label,
                kind=row.kind,
                params=row.params,
                score=result.score,
                accuracy=parts,
                questions=count,
                scores=known.scores,
                choices=known.choices,
                training=row.training,
                stage=result.stage,
                calls=result.calls.asked,
                origin="held out",
            )
        )
    return found


def _epochs(folder: StudyFolder, record: TrialRecord) -> list[Epoch]:
    """The epochs of a trial: its own, or of the one that it was answered from."""
    try:
        epochs = read_epochs(folder.trial(record.source))[0]
    except OSError:
        return []
    ends = [i for i, epoch in enumerate(epochs) if epoch.stage == record.notes.stage]
    return epochs[: ends[0] + 1] if ends else []


def _tensor_means(
    kind: Trainer, folder: StudyFolder, rows: Sequence[Scored]
) -> dict[str, tuple[float, float]]:
    """Of the best trial; nothing where its stages are gone."""
    best = next((row for row in rows if row.kind != "control" and row.epochs), None)
    if best is None:
        return {}
    last = best.epochs[-1]
    before = [epoch.stage for epoch in best.epochs if epoch.place < last.place.start]
    if not before:
        return {}
    start, now = (kind.tensor_means(folder.stages, key) for key in (before[-1], last.stage))
    return {name: (start[name], now[name]) for name in start.keys() & now.keys()}


def _imported(entries: Sequence[Entry], config: StudyConfig) -> list[Scored]:
    """Results from elsewhere, best first; those of two evaluations are not to be compared."""
    baseline = None if config.baseline is None else dict(config.baseline)
    rows = []
    for number, entry in enumerate(entries, start=1):
        scores = entry.get("scores")
        rows.append(
            Scored(
                label=f"imported {number}",
                kind="baseline" if entry["params"] == baseline else "imported",
                params=complete_values(config.space, entry["params"]),
                score=mean_accuracy(entry),
                accuracy=entry["accuracy"],
                questions=entry["questions"],
                scores=None if scores is None else np.asarray(scores, dtype=np.float64),
                origin="imported",
                source=entry.get("source", ""),
                evaluation=evaluation_of(entry),
                mismatch=entry.get("mismatch", {}),
            )
        )
    sign = -1.0 if config.goal == "maximize" else 1.0
    return sorted(rows, key=lambda row: sign * row.score)
