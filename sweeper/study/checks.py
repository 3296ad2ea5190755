"""Finds every problem of a study file at once, each at its line and column.

Goes from section to section to what sections say of each other; a section that is wrong is left out
of what follows, so that one mistake is told once.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from sweeper.addresses import PLACES, has_password
from sweeper.problems import Problem, Where, dotted, listed, shown, suggestion
from sweeper.refusals import Refusal, refusals
from sweeper.space import Parameter, Space, Value, is_finite
from sweeper.study.file import Document
from sweeper.study.parameters import Complaint, build_parameter, log_uniform_hint
from sweeper.study.sections import (
    PRUNER_OPTIONS,
    SAMPLER_OPTIONS,
    Metric,
    Pruner,
    Sampler,
    SamplerName,
    StudyFile,
)
from sweeper.study.space_checks import build_space, setting_complaints
from sweeper.study.trainer_section import trainer_complaints
from sweeper.trainers import Capabilities, Goal, Section, Trainer, trainer_of

MAX_NAME = 100  # characters of a study's name
MAX_NAME_BYTES = 200  # the name is a folder, whose name has at most 255 bytes on common systems
RESERVED, ANSWERS = "stages", "answers.db"  # beside the studies; the answers with -wal and others
SAMPLER_OF_METHOD: dict[str, SamplerName] = {
    "bayes": "tpe",
    "random": "random",
    "grid": "grid",
}  # W&B's methods

# Keys of other tools, and what says the same here.
FOREIGN = {
    "program": 'write `command: [python, train.py, "${args}"]`',
    "direction": "write `metric: {goal: maximize}`",
    "directions": "one metric is searched; write `metric: {goal: maximize}`",
    "early_terminate": "write `pruner: {name: hyperband}`",
    "n_trials": "write `trials`",
    "project": "write `mlflow: {experiment: NAME}`",
    "seed": "write `sampler: {seed: N}`, or `seed` under `trainer`",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedStudy:
    """What could be read of a file; it is whole if there are no problems."""

    file: StudyFile
    kind: Trainer
    section: Section  # the trainer's own
    space: Space
    sampler: Sampler
    trials: int
    problems: tuple[Problem, ...]


def check_study(document: Document) -> CheckedStudy:
    """Read all sections and list all problems, those of the YAML text included."""
    kind = trainer_of(document.values)
    file, complaints = _sections(document.values, kind)
    section = kind.written(
        document.values,
        metric=file.metric.model_dump(exclude_none=True),
        names=tuple(file.parameters),
    )
    sampler, trials, found = _aliases(file)
    complaints += found
    complaints += _missing(document.values, kind) + _name_complaints(file)
    complaints += _own_complaints(file, kind, section)

    space, broken, found = _space(document.values, file)
    complaints += found
    valid: dict[Where, Mapping[str, Value]] = {}
    for where, setting in _settings(file).items():
        found = setting_complaints(space, setting, broken=broken)
        complaints += _below(where, found)
        if not found and not broken:
            valid[where] = setting
    gates = {parent for entry in file.parameters.values() for parent in entry.when}
    if section:
        complaints += trainer_complaints(
            kind, section, space, broken=broken, gates=gates, settings=valid
        )
    if not broken:
        complaints += _sampler_complaints(sampler, space, by_method=file.method is not None)
    problems = _problems(document, complaints)
    return CheckedStudy(
        file=file,
        kind=kind,
        section=section,
        space=space,
        sampler=sampler,
        trials=trials,
        problems=problems,
    )


def _sections(values: Mapping[str, object], kind: Trainer) -> tuple[StudyFile, list[Complaint]]:
    """Validate section by section; what is wrong is left out of the file that is returned.

    The keys of the trainer are left to it.
    """
    values = {
        key: value for key, value in values.items() if key == "trainer" or key not in kind.keys
    }
    complaints = [Complaint(where, _empty_text(where), at_key=True) for where in _empty(values)]
    values = _without(values, complaints)
    try:
        return StudyFile.model_validate(values), complaints
    except ValidationError as error:
        found = [_section_complaint(values, item, kind) for item in refusals(StudyFile, error)]
        return StudyFile.model_validate(_without(values, found)), complaints + found


def _section_complaint(values: Mapping[str, Any], refusal: Refusal, kind: Trainer) -> Complaint:
    where = refusal.where
    if refusal.structural and len(where) == 1 and where[0] in FOREIGN:
        return Complaint(where, f"not a key of this file; {FOREIGN[str(where[0])]}", at_key=True)
    if refusal.structural and len(where) == 1 and where[0] in values:
        allowed = [*StudyFile.model_fields, *(k for k in kind.keys if k != "trainer")]
        text = f"unknown key; allowed: {', '.join(allowed)}{suggestion(where[0], allowed)}"
        return Complaint(where, text, at_key=True)
    if where[0] == "parameters" and where[2:] == ("distribution",):
        hint = log_uniform_hint(values["parameters"][where[1]])
        return Complaint(where, hint or refusal.text)
    return Complaint(where, refusal.text, at_key=refusal.structural)


def _empty(values: Any, where: Where = ()) -> Iterator[Where]:
    """Yield every key without a value; below `trainer`, null is a value like any other."""
    if isinstance(values, dict):
        for key, value in values.items():
            if value is None:
                yield (*where, key)
            elif (*where, key) != ("trainer",):
                yield from _empty(value, (*where, key))
    elif isinstance(values, list):
        for index, value in enumerate(values):
            yield from _empty(value, (*where, index))


def _empty_text(where: Where) -> str:
    if ":" in str(where[-1]):  # `{min:1}` is the key "min:1"
        return "has no value; a space is missing after the colon"
    return "has no value; give it one or remove the key"


def _without(values: Mapping[str, Any], complaints: Iterable[Complaint]) -> dict[str, object]:
    """Leave out the parameters and the other sections that are complained of."""
    places = {complaint.where for complaint in complaints}
    wrong = {where[0] for where in places if where[0] != "parameters" or len(where) == 1}
    kept = {key: value for key, value in values.items() if key not in wrong}
    names = {where[1] for where in places if where[0] == "parameters" and len(where) > 1}
    if names:
        entries = kept["parameters"].items()
        kept["parameters"] = {name: entry for name, entry in entries if name not in names}
    return kept


def _aliases(file: StudyFile) -> tuple[Sampler, int, list[Complaint]]:
    """Read W&B's `method` and `run_cap` as sampler and trials."""
    complaints = [
        Complaint((alias,), f"says the same as `{ours}`; leave one out", at_key=True)
        for alias, ours in (("method", "sampler"), ("run_cap", "trials"))
        if {alias, ours} <= file.model_fields_set
    ]
    sampler = file.sampler
    if file.method is not None:
        sampler = Sampler(name=SAMPLER_OF_METHOD[file.method])
    return sampler, file.run_cap or file.trials, complaints


def _missing(values: Mapping[str, object], kind: Trainer) -> list[Complaint]:
    needed = {
        "name": "it names the folder and the experiment",
        **dict.fromkeys(kind.place, "it says what a trial trains; or give `command`"),
        "parameters": "it says what is searched",
    }
    return [
        Complaint((key,), f"is missing; {reason}")
        for key, reason in needed.items()
        if key not in values
    ]


def _name_complaints(file: StudyFile) -> list[Complaint]:
    """Refuse what cannot be a folder's name beside the other studies."""
    name = file.name
    if "name" not in file.model_fields_set:
        return []
    if not re.fullmatch(r"\w[\w .-]*", name) or name[-1] in " .":
        text = "must be letters, digits, spaces and `_ - .`, begin with a letter, digit or `_`"
        return [Complaint(("name",), f"{text} and not end with a space or dot, but got {name!r}")]
    if len(name) > MAX_NAME or len(name.encode()) > MAX_NAME_BYTES:
        text = f"must have at most {MAX_NAME} characters and {MAX_NAME_BYTES} bytes"
        return [Complaint(("name",), f"{text}, but has {len(name)} and {len(name.encode())}")]
    if _is_reserved(name):
        text = f"must not be {RESERVED} or begin with {ANSWERS}: these files stand beside studies"
        return [Complaint(("name",), f"{text}, but got {name!r}")]
    return []


def _is_reserved(name: str) -> bool:
    """Whether the workspace itself writes something of this name, on whatever file system."""
    return name.casefold() == RESERVED or name.casefold().startswith(ANSWERS)


def study_name(text: str) -> str:
    """Make a valid study name of any text: other characters become `_`."""
    name = re.sub(r"[^\w .-]", "_", text)[: MAX_NAME // 2].strip(" .-") or "study"
    return f"study_{name}" if _is_reserved(name) else name


def _own_complaints(file: StudyFile, kind: Trainer, section: Section) -> list[Complaint]:
    """Check what the types of a section cannot say."""
    can = kind.capabilities(section)
    complaints = list(_metric_complaints(file.metric, kind.metrics(section), scored=can.metric))
    complaints += [
        Complaint((*kind.place, *where), text)
        for where, text in kind.complaints(section, prunes=file.pruner.name != "none")
    ]
    if not kind.place and "trainer" in file.model_fields_set:
        text = "`trainer` and `command` exclude each other; leave one"
        complaints.append(Complaint(("trainer",), text, at_key=True))
    complaints += _seed_complaints(file, kind, section, can)
    if has_password(file.mlflow.tracking_uri or ""):
        text = "holds a password, which would be written to many places; leave it out of the URI"
        complaints.append(Complaint(("mlflow", "tracking_uri"), f"{text}: {PLACES}"))
    if file.best.rule != "highest" and not can.by_question:
        text = f"{file.best.rule} needs scores by question, a loss has none; leave `highest`"
        complaints.append(Complaint(("best", "rule"), text))
    complaints += _control_complaints(file.controls or [], can.controls)
    complaints += _option_complaints("sampler", file.sampler, ("name", "seed"), SAMPLER_OPTIONS)
    complaints += _option_complaints("pruner", file.pruner, ("name",), PRUNER_OPTIONS)
    return complaints


def _metric_complaints(
    metric: Metric, goals: Mapping[str, Goal], *, scored: str
) -> Iterator[Complaint]:
    """Check the metric against those that the trainer has, and the one that it scores by."""
    name = metric.name or scored
    if name not in goals:
        near = suggestion(name, goals)
        text = f"must be one of {listed(goals)}, but got {shown(name)}{near}"
        yield Complaint(("metric", "name"), text)
        return
    goal = goals[name]
    if metric.goal not in (None, goal):
        better = "more" if goal == "maximize" else "less"
        yield Complaint(("metric", "goal"), f"must be {goal}: {better} {name} is better")
    if name != scored:
        text = f"must be {scored}: `trainer.evaluate.score` decides what a trial is scored by"
        yield Complaint(("metric", "name"), text)


def _control_complaints(controls: Sequence[str], known: Sequence[str]) -> Iterator[Complaint]:
    for index, control in enumerate(controls):
        if control not in known:
            near = suggestion(control, known)
            text = f"must be one of {listed(known)}, but got {shown(control)}{near}"
            yield Complaint(("controls", index), text)
        elif control in controls[:index]:
            yield Complaint(("controls", index), f"{control} stands here twice")


def _seed_complaints(
    file: StudyFile, kind: Trainer, section: Section, can: Capabilities
) -> Iterator[Complaint]:
    if file.seeds is None:
        return
    if file.duplicates == "reseed":
        text = "`seeds` and `duplicates: reseed` exclude each other; leave one"
        yield Complaint(("seeds",), text)
    if can.races and len(file.seeds.values) > 1 and file.seeds.strategy == "all":
        text = "a race compares single seeds; write `strategy: finalists`, or leave `race` out"
        yield Complaint(("seeds",), text)
    first = file.seeds.values[0]
    if section.get("seed", first) != first:
        own = dotted((*kind.place, "seed"))
        text = f"begins with {first}, but {own} is {section['seed']}; remove that key"
        yield Complaint(("seeds",), text)


def _option_complaints(
    key: str,
    section: Sampler | Pruner,
    general: Collection[str],
    options: Mapping[Any, Collection[str]],
) -> Iterator[Complaint]:
    for option in section.model_fields_set:
        if option not in general and option not in options[section.name]:
            owners = [name for name, known in options.items() if option in known]
            text = f"is no option of {section.name}; it is one of {', '.join(owners)}"
            yield Complaint((key, option), text, at_key=True)


def _space(
    values: Mapping[str, object], file: StudyFile
) -> tuple[Space, list[str], list[Complaint]]:
    """Return the space, the names of parameters that are not in it, and why they are not."""
    complaints: list[Complaint] = []
    good: dict[str, Parameter] = {}
    for name, entry in file.parameters.items():
        parameter, found = build_parameter(name, entry)
        complaints += _below(("parameters", name), found)
        if not found:
            good[name] = parameter
    section = values.get("parameters")
    written = list(section) if isinstance(section, dict) else []
    space, found = build_space(good, broken=[name for name in written if name not in good])
    complaints += _below(("parameters",), found)
    if section == {} or (written and len(written) == len(space.names) and not space.searched):
        text = "leaves nothing to search; give at least one parameter a range or values"
        complaints.append(Complaint(("parameters",), text))
    return space, [name for name in written if name not in space.names], complaints


def _settings(file: StudyFile) -> dict[Where, Mapping[str, Value]]:
    """Return the settings that the file names, by place."""
    settings: dict[Where, Mapping[str, Value]] = {}
    if file.baseline is not None:
        settings["baseline",] = file.baseline
    for index, setting in enumerate(file.enqueue):
        settings["enqueue", index] = setting
    return settings


def _sampler_complaints(sampler: Sampler, space: Space, *, by_method: bool) -> Iterator[Complaint]:
    """Refuse samplers that cannot search this space."""
    where: Where = ("method",) if by_method else ("sampler", "name")
    if sampler.name == "grid" and not is_finite(space):
        endless = [item.name for item in space.searched if not is_finite(Space((item,)))]
        text = f"grid needs finitely many settings; give {', '.join(endless)} `step` or `values`"
        yield Complaint(where, text)
    conditional = [item.name for item in space.searched if item.when]
    if sampler.name in ("cmaes", "gp") and conditional:
        text = f"{sampler.name} cannot model conditions ({', '.join(conditional)} has `when`)"
        yield Complaint(where, f"{text}; use tpe, random or qmc")
    if sampler.name == "cmaes" and sum(not item.choices for item in space.searched) < 2:
        yield Complaint(where, "cmaes needs two parameters with a range; use tpe")


def _below(where: Where, complaints: Iterable[Complaint]) -> list[Complaint]:
    return [item._replace(where=(*where, *item.where)) for item in complaints]


def _problems(document: Document, complaints: Iterable[Complaint]) -> tuple[Problem, ...]:
    """Find each complaint's line and column; where the YAML itself is wrong, that is enough."""
    told = {problem.where for problem in document.problems}
    problems = list(document.problems)
    for where, text, at_key in complaints:
        position = document.key_position(where) if at_key else document.position(where)
        problems += [] if where in told else [Problem(position, where, text)]
    return tuple(problems)
