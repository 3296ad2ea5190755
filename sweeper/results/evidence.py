"""All that is known of one study, gathered for whoever explains it: scores, choices, curves, costs.

Scores by question are read from the evaluations of the workspace and held against the recorded
means: a file that is missing, damaged or does not agree is left out and told, never shown.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweeper.importing.entries import evaluation_of
from sweeper.importing.known import mean_accuracy
from sweeper.ranking import baseline_of, ranking
from sweeper.records import TrialRecord, TrialState
from sweeper.space import Value, complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.trial_folder import read_json, read_result
from sweeper.study.config import StudyConfig, spec_for, study_from_json
from trainer.contract import (
    DATA,
    TrainSpec,
    environment_from_json,
    evaluation_key,
    read_job,
    read_metrics,
)

Kind = Literal["control", "baseline", "trial", "imported"]
_FILES = "evaluations"  # folder of scores by question, below that of the stages
WEIGHTS = "policy.safetensors"  # of a stage
_TOLERANCE = 1e-6  # between a recorded mean and that of the scores beside it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # arrays have no equality
class Scored:
    """One row of a study: a control, a trial, or a result that was measured elsewhere."""

    label: str  # "control start", "trial 7", "imported 2"
    kind: Kind
    params: Mapping[str, Value]
    score: float  # fraction, or nats where the goal is to minimize
    accuracy: Mapping[str, float]  # by number of shots, fractions
    questions: int | None  # that were asked
    scores: NDArray[np.float64] | None = None  # Shape: (Q, C)
    shots: NDArray[np.int64] | None = None  # chosen demonstrations. Shape: (Q, S)
    seed_scores: NDArray[np.float64] | None = None  # of several seeds. Shape: (N, Q, C)
    spec: TrainSpec | None = None  # what was trained
    stage: str = ""  # key of its last stage
    lines: Sequence[Mapping[str, Any]] = ()  # its epochs
    seconds: float | None = None
    calls: int | None = None  # of the reader, asked
    origin: str = ""
    source: str = ""  # of an imported row: where it was measured
    evaluation: str = ""  # what it was measured on; empty: the study's own questions and reader
    mismatch: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters whose label is not what the checkpoint holds: `{"kl_beta": {"label": 0.15,
    "checkpoint": 0.1, "adaptation": -1}}`; the checkpoint's value is the one among the params."""
    final: bool = False  # of a finalist: with more seeds or questions than the search

    def chooses_as(self, other: "Scored") -> bool:
        """Whether both are known to choose the same demonstrations for every question."""
        if self.shots is None or other.shots is None:
            return False
        return bool(np.array_equal(self.shots, other.shots))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One study as it stands."""

    config: StudyConfig
    rows: Sequence[Scored]  # controls, then trials from best to worst
    imported: Sequence[Scored]  # of another evaluation: never ranked with the others
    states: Mapping[str, int]  # how many proposals are complete, failed, pruned, running
    failures: Mapping[str, int]  # by class
    liveness: Mapping[str, Any] | None  # what the probe found
    environment: Mapping[str, str]  # digests and versions of the controls
    data: Mapping[str, Any]  # the data contract
    confirmed: Mapping[str, Scored]  # on the held-out questions; see `held_out`
    calls: Mapping[str, int]  # of the reader, by what became of them
    tensor_means: Mapping[str, tuple[float, float]]
    """Mean of each tensor of the best trial, at the start of its last phase and at its end."""
    lost: Sequence[str]  # labels of rows whose scores by question could not be read

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
    with StudyStore.open(folder.database, name=folder.name) as store:
        attributes, records = store.attributes(), store.records()
    config = study_from_json(attributes["study"], folder.study_file)
    state = folder.read_state() if (folder.root / "state.json").exists() else {}
    check = read_result(folder.controls) or {}
    reader = _Reader(folder, config)
    rows = [*_controls(reader, check), *_trials(reader, records)]
    best = (state.get("best") or {}).get("trial")
    proposals = [record for record in records if record.prefix is None]
    classes = [r.notes["failure"] for r in proposals if r.state is TrialState.FAILED]
    return Evidence(
        config=config,
        rows=rows,
        imported=_imported(attributes.get("imported", []), config),
        states={s.value: sum(r.state is s for r in proposals) for s in TrialState},
        failures={name: classes.count(name) for name in dict.fromkeys(classes)},
        liveness=check.get("liveness"),
        environment=check.get("environment", {}),
        data=read_json(folder.controls / DATA) or {},
        confirmed=held_out(_confirmed(reader, rows), f"trial {best}"),
        calls=state.get("reader_calls", {}),
        tensor_means=_tensor_means(folder, rows),
        lost=reader.lost,
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
    shots: NDArray[np.int64] | None  # of the first seed. Shape: (Q, S)
    by_seed: NDArray[np.float64] | None  # of several seeds. Shape: (N, Q, C)


_UNKNOWN = _ByQuestion(None, None, None)


class _Reader:
    """Reads scores by question; remembers whose were not to be had."""

    def __init__(self, folder: StudyFolder, config: StudyConfig) -> None:
        self.folder = folder
        self.config = config
        self.lost: list[str] = []

    def scores(
        self, label: str, keys: Sequence[str | None], accuracy: Mapping[str, float], count: int
    ) -> _ByQuestion:
        """Scores of one evaluation, or of one a seed."""
        if not accuracy:
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
        return _ByQuestion(scores, found[0][1], each if len(each) > 1 else None)

    def _part(
        self, key: str | None, count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self.folder.stages / _FILES / f"{key}.safetensors"
        try:
            tensors = load_file(path)
            scores, shots = tensors["scores"][:count], tensors["shots"][:count]
        except (OSError, SafetensorError, KeyError):
            return None
        return scores.astype(np.float64), shots.astype(np.int64)


def _controls(reader: _Reader, check: Mapping[str, Any]) -> Iterator[Scored]:
    if not check:
        return
    spec = read_job(reader.folder.controls).spec
    environment = environment_from_json(check["environment"])
    for name, entry in check["controls"].items():
        stage = check["stage"] if name == "start" else f"control {name}"
        key = evaluation_key(stage, spec, environment)
        count = entry.get("questions", 0)
        known = reader.scores(f"control {name}", [key], entry["accuracy"], count)
        yield Scored(
            label=f"control {name}",
            kind="control",
            params={},
            score=entry["score"],
            accuracy=entry["accuracy"],
            questions=count,
            scores=known.scores,
            shots=known.shots,
        )


def _trials(reader: _Reader, records: Sequence[TrialRecord]) -> Iterator[Scored]:
    baseline = baseline_of(records)
    asked = reader.config.trainer["evaluate"]["questions"]
    for record in ranking(records, goal=reader.config.goal):
        final = record.notes.get("final")
        told = final or {**record.notes, "score": record.score}
        count = told.get("questions", asked)
        keys = [entry.get("evaluation") for entry in told.get("seeds", [told])]
        label = f"trial {record.name}"
        known = reader.scores(label, keys, told["accuracy"], count)
        values = record.notes.get("values", record.params)
        yield Scored(
            label=label,
            kind="baseline" if baseline is not None and record.name == baseline.name else "trial",
            params=values,
            score=told["score"],
            accuracy=told["accuracy"],
            questions=count if known.scores is None else len(known.scores),
            scores=known.scores,
            shots=known.shots,
            seed_scores=known.by_seed,
            spec=spec_for(reader.config, values, repeat=record.notes.get("repeat", 0)),
            stage=record.notes.get("stage", ""),
            lines=_lines(reader.folder, record),
            final=final is not None,
            seconds=record.notes.get("seconds"),
            calls=record.notes.get("reader_calls", {}).get("asked"),
            origin=record.notes.get("origin", ""),
        )


def _confirmed(reader: _Reader, rows: Sequence[Scored]) -> list[Scored]:
    """The start and the trials as the held-out questions see them, in the order of ``rows``."""
    found = []
    for row in rows:
        result = read_result(reader.folder.confirmation(row.label.split()[-1]))
        if result is None:
            continue
        count, accuracy = result["questions"], result["accuracy"]
        label = f"{row.label} (held out)"
        known = reader.scores(label, [result.get("evaluation")], accuracy, count)
        found.append(
            Scored(
                label=row.label,
                kind=row.kind,
                params=row.params,
                score=result["score"],
                accuracy=accuracy,
                questions=count,
                scores=known.scores,
                shots=known.shots,
                spec=row.spec,
                stage=result["stage"],
                calls=result["reader_calls"]["asked"],
                origin="held out",
            )
        )
    return found


def _lines(folder: StudyFolder, record: TrialRecord) -> list[dict[str, Any]]:
    """The epochs of a trial: its own, or of the one that it was answered from."""
    source = int(str(record.notes.get("source", record.number)).partition("@")[0])
    try:
        lines = read_metrics(folder.trial(source))[0]
    except (OSError, ValueError):
        return []
    ends = [i for i, line in enumerate(lines) if line["stage"] == record.notes.get("stage")]
    return lines[: ends[0] + 1] if ends else []


def _tensor_means(folder: StudyFolder, rows: Sequence[Scored]) -> dict[str, tuple[float, float]]:
    """Of the best trial; nothing where its stages are gone."""
    best = next((row for row in rows if row.kind != "control" and row.lines), None)
    if best is None:
        return {}
    last = best.lines[-1]
    before = [line["stage"] for line in best.lines if line["phase_index"] < last["phase_index"]]
    if not before:
        return {}
    start, now = (_means(folder.stages / key) for key in (before[-1], last["stage"]))
    return {name: (start[name], now[name]) for name in start.keys() & now.keys()}


def _means(stage: Path) -> dict[str, float]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: float(t.mean()) for name, t in load_file(stage / WEIGHTS).items()}
    except (OSError, SafetensorError):
        return {}


def _imported(entries: Sequence[Mapping[str, Any]], config: StudyConfig) -> list[Scored]:
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
    return sorted(rows, key=lambda row: -row.score)
