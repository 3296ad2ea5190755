"""The lab's metrics files and checkpoints, paired, to rows of results.

The trainer reads the checkpoints, in a process of its own; `pairing.py` says which of them a
metrics file measured. Where label and checkpoint disagree the checkpoint's value is taken and the
label is kept beside it, as a mismatch.
"""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import UsageError
from sweeper.importing.labels import Unclear, labels_of, short
from sweeper.importing.pairing import Labelled, partner, shared
from sweeper.importing.table import Row, read_json_objects, read_text
from sweeper.references import references
from sweeper.space import Value
from sweeper.study.config import StudyConfig

DESCRIBE_COMMAND = (sys.executable, "-m", "trainer", "describe-checkpoint")
RETRIEVER = "LeverLMRetriever"  # the others choose without a policy
EVALUATION = re.compile(r"(?P<when>.*?)-?test_data_num=(?P<questions>-?\d+)-(?P<retriever>.+)")
SHOT = re.compile(r"shot_num=([1-9]\d*)")
ADAPTATION = 1.5  # factor of the lab's adaptive kl_beta, up or down, a step
LABELS = ("kl_beta", "epochs", "lr", "freeze")
_TOLD = {"kl_beta": "kl_beta", "epochs": "epoch"}  # label -> field of a checkpoint


Describe = Callable[[Sequence[Path]], Mapping[Path, Mapping[str, object]]]


@dataclass(slots=True)
class LabFiles:
    """What was read from the lab's files; rows mean something where there are no problems."""

    rows: list[Row] = field(default_factory=list)
    pairs: list[str] = field(default_factory=list)  # which result belongs to which checkpoint, why
    unused: list[str] = field(default_factory=list)  # what was left out
    problems: list[str] = field(default_factory=list)


def describe_checkpoints(paths: Sequence[Path]) -> dict[Path, dict[str, object]]:
    """Let the trainer, which knows tensors, say what checkpoints are: see its own command.

    Raises:
        UsageError: where it cannot.
    """
    if not paths:
        return {}
    done = subprocess.run(
        [*DESCRIBE_COMMAND, "--", *(str(path) for path in paths)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        told = json.loads(done.stdout)
    except ValueError as error:
        said = done.stderr.strip().splitlines()
        raise UsageError(f"the checkpoints cannot be read: {said[-1] if said else ''}") from error
    return dict(zip(paths, told, strict=True))


def read_lab_files(
    paths: Sequence[Path],
    config: StudyConfig,
    given: Mapping[str, str],
    *,
    describe: Describe = describe_checkpoints,
) -> LabFiles:
    """Read and pair metrics files (`.json`) and checkpoints (everything else).

    Args:
        paths: In any order.
        config: The study that the results are for.
        given: Columns that the user gives, as text; those that are labels count instead of them.
        describe: Says what checkpoints are.
    """
    found = LabFiles()
    roles = _roles(config)
    said = {role: _plain(given[name]) for role, name in roles.items() if name in given}
    columns = {name: value for name, value in given.items() if name not in roles.values()}
    metrics = [path for path in dict.fromkeys(paths) if path.suffix.lower() == ".json"]
    described = describe([path for path in dict.fromkeys(paths) if path not in metrics])
    checkpoints = [Labelled(path, _labels(path, {}, found)) for path in described]
    usable = [p for p, facts in described.items() if _is_usable(p, facts, config, found)]
    used = set()
    for path in metrics:
        own = Labelled(path, _labels(path, said, found))
        evaluations = list(_evaluations(path, found))
        checkpoint = partner(own, checkpoints, alone=len(metrics) == 1)
        if isinstance(checkpoint, str):
            found.problems.append(checkpoint)
            continue
        used.add(checkpoint.path)
        if checkpoint.path not in usable:  # and that was said
            continue
        labels = {**checkpoint.labels, **own.labels}
        values, extra = _settled(labels, described[checkpoint.path], checkpoint.path, config)
        cells = columns | {roles[role]: value for role, value in values.items() if role in roles}
        for key, result in evaluations:
            place = f"{path}: {key}"
            told = {**cells, **result, "source": f"{short(path)}: {key}"}
            found.rows.append(Row(place=place, cells=told, extra=extra))
            found.pairs.append(_pair_line(place, own, checkpoint, extra))
    found.unused += [f"{path}: no result belongs to it" for path in usable if path not in used]
    return found


def _roles(config: StudyConfig) -> dict[str, str]:
    """Label -> its parameter: the one that the last phase refers to, else its namesake."""
    last = len(config.trainer["phases"]) - 1
    referred = {
        where[3]: name
        for where, name in references(config.trainer)
        if where[:2] == ("phases", last) and len(where) == 4
    }
    roles = {label: referred.get(label, label) for label in LABELS}
    return {label: name for label, name in roles.items() if name in config.space.names}


def _plain(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _labels(path: Path, said: Mapping[str, Value], found: LabFiles) -> dict[str, Value]:
    try:
        return {**labels_of(path, without=said), **said}
    except Unclear as error:
        found.problems.append(f"{path}: {error}; `--set NAME=VALUE` says which, or rename it")
        return {}


def _is_usable(path: Path, facts: Mapping[str, Any], config: StudyConfig, found: LabFiles) -> bool:
    if "problem" in facts:
        found.problems.append(facts["problem"])
        return False
    [wanted] = config.trainer["phases"][-1].keys()
    if facts["phase"] not in (None, wanted):
        found.problems.append(
            f"{path}: is of phase {facts['phase']}, trials of {config.name!r} end with {wanted}; "
            "leave it out"
        )
        return False
    return True


def _evaluations(path: Path, found: LabFiles) -> Iterator[tuple[str, dict[str, Any]]]:
    """The evaluations of a policy in one metrics file, each number of questions once."""
    try:
        content = read_json_objects(path, read_text(path))
    except UsageError as error:
        found.problems.append(str(error))
        return
    if not isinstance(content, dict) or not content:
        found.problems.append(f"{path}: is no metrics file: it has no evaluation")
        return
    seen: dict[str, tuple[str, Any]] = {}
    for key, results in content.items():
        match = EVALUATION.fullmatch(key)
        shots = _shots(results)
        if match is None or not shots:
            found.problems.append(
                f"{path}: {key!r} is no evaluation like `<time>-test_data_num=200-{RETRIEVER}` "
                "with results like `shot_num=1`"
            )
            continue
        if match["retriever"] != RETRIEVER:
            found.unused.append(f"{path}: {key}: chosen without a policy")
            continue
        count = match["questions"]
        if count in seen:
            if seen[count][1] != shots:
                found.problems.append(
                    f"{path}: has two results on {count} questions, {seen[count][0]!r} and {key!r},"
                    " and nothing says which the checkpoint gave; keep that one in a copy of it"
                )
            continue
        seen[count] = (key, shots)
        yield key, {**shots, **({} if int(count) < 1 else {"questions": int(count)})}


def _shots(results: Any) -> dict[str, Any]:
    if not isinstance(results, dict):
        return {}
    matches = {name: SHOT.fullmatch(name) for name in results}
    return {f"shot_{m[1]}": results[name] for name, m in matches.items() if m is not None}


def _settled(
    labels: Mapping[str, Value], facts: Mapping[str, Any], path: Path, config: StudyConfig
) -> tuple[dict[str, Value], dict[str, Any]]:
    """The values that count, and what goes with the entry: the checkpoint, and mismatches."""
    values = dict(labels)
    mismatch: dict[str, Any] = {}
    for name, fact in _TOLD.items():
        applied, label = facts[fact], labels.get(name)
        steps = None
        if name == "kl_beta" and applied is not None and label is not None:
            steps = adaptation_steps(label, applied)
        if applied is None or (name == "kl_beta" and _adapts(config) and steps is not None):
            continue  # what the training began with is in the label alone
        values[name] = applied
        if label is not None and not _equal(label, applied):
            mismatch[name] = {"label": label, "checkpoint": applied}
            if name == "kl_beta":
                mismatch[name]["adaptation"] = steps
    told = {"file": short(path), **{k: facts[k] for k in ("digest", "epoch", "kl_beta")}}
    return values, {"checkpoint": told, **({"mismatch": mismatch} if mismatch else {})}


def _adapts(config: StudyConfig) -> bool:
    """Whether the study means by kl_beta what the training begins with."""
    [settings] = config.trainer["phases"][-1].values()
    return bool(settings.get("adaptive_kl"))


def adaptation_steps(label: Value, applied: float) -> int | None:
    """Steps of the adaptive kl_beta that lead from one value to the other; None where none do.

    The field is the value after adaptation, so a mismatch by whole steps may be no mistake: 0.15
    is 0.1 after a step down.
    """
    if isinstance(label, str) or label <= 0 or applied <= 0:
        return None
    steps = math.log(applied / label) / math.log(ADAPTATION)
    return round(steps) if abs(steps - round(steps)) < 1e-6 else None


def _equal(a: Value, b: Value) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return math.isclose(a, b, rel_tol=1e-6)


def _pair_line(place: str, own: Labelled, checkpoint: Labelled, extra: Mapping[str, Any]) -> str:
    alike = [f"{name} {own.labels[name]}" for name in shared(own, checkpoint)]
    why = ", ".join(alike) or (
        "same folder" if own.path.parent == checkpoint.path.parent else "the only ones"
    )
    line = f"{place} <- {checkpoint.path} (by {why})"
    for name, both in extra.get("mismatch", {}).items():
        line += f"; {name} is {both['checkpoint']} in the checkpoint, {both['label']} in the label"
        if both.get("adaptation") is not None:
            line += f" (adaptive kl_beta gets there in {abs(both['adaptation'])} steps)"
    return line
