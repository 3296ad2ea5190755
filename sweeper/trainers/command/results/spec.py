"""`results:` of a study file: where a program leaves its numbers.

Texts may hold macros (`${trial.dir}`), which are filled in before anything is read; a text with one
is not checked until then. Knows no files.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from sweeper.problems import listed
from sweeper.trainers.command.results.patterns import pattern_names, pattern_problem
from sweeper.trainers.command.results.pointers import pointer_problem

MACRO = "${"
Kind = Literal["file", "stdout", "trainer_state", "lm_eval", "inspect", "reported"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Format = Literal["auto", "json", "jsonl", "csv"]
NAMES = re.compile(r"[\w\-. :/]+", re.ASCII)  # what MLflow takes


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _by_own_name(value: object) -> object:
    """`[loss, reward]` says that metrics and keys have the same names."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return {item: item for item in value}
    return value


def _mapping_or_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


def _key(text: str) -> str:
    if MACRO not in text and (problem := pointer_problem(text)) is not None:
        raise ValueError(problem)
    return text


def _glob(text: str) -> str:
    if MACRO not in text and any("**" in part and part != "**" for part in text.split("/")):
        raise ValueError("must have `**` between slashes only, where it stands for any folders")
    return text


def _pattern(text: str) -> str:
    if MACRO not in text and (problem := pattern_problem(text)) is not None:
        raise ValueError(problem)
    return text


Text = Annotated[str, StringConstraints(min_length=1)]
Glob = Annotated[Text, AfterValidator(_glob)]
Key = Annotated[Text, AfterValidator(_key)]
Pattern = Annotated[Text, AfterValidator(_pattern)]


class _Section(BaseModel):
    """Unknown keys are errors, nothing is converted, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ByQuestion(_Section):
    """Scores by question: trials are compared on the same ones, which finds smaller differences."""

    file: Glob | None = None
    """A JSONL or CSV file, or JSON with a list, by name or glob; `lm_eval` and `inspect` know it
    themselves."""
    newest: bool = False  # of several new files that match, the newest is read, instead of none
    format: Format = "auto"  # of the file; auto: by the end of its name
    id: Annotated[
        list[Key] | None,
        BeforeValidator(_one_or_more, json_schema_input_type=Text | list[Text]),
    ] = None
    """Key or JSON pointer of what tells questions apart, or several. lm-eval's samples also go by
    their filter, whatever stands here."""
    score: Key | None = None
    """Key or JSON pointer of a question's score, true and false are 1 and 0; of lm-eval a metric,
    `exact_match`, or with its filter, `exact_match,strict-match`; of Inspect a scorer."""
    group: Key | None = None
    """Key or JSON pointer of what a score is one of several for, such as a benchmark; of lm-eval
    `task`."""


class Source(_Section):
    """One place where numbers are: a key of `file` to `reported` says which."""

    file: Glob | None = None
    """A JSON, JSONL or CSV file, by name or glob (`**` for folders at any depth); relative paths
    begin where the program runs. It must be newer than the trial's start."""
    stdout: Annotated[
        list[Pattern] | None,
        BeforeValidator(_one_or_more, json_schema_input_type=Text | list[Text]),
    ] = None
    """Regular expressions for lines that the program prints; each named group is a metric, and an
    empty one, `loss=(?P<loss>)`, takes any number."""
    trainer_state: Glob | None = None
    """Hugging Face's `trainer_state.json`, or the output folder with its checkpoints, by name or
    glob."""
    lm_eval: Text | None = None  # what lm-evaluation-harness was given as `--output_path`
    inspect: Glob | None = None  # logs of Inspect in JSON (`--log-format json`): file, folder, glob
    reported: Literal[True] | None = None
    """The program calls `sweeper.client`. That is heard in any case; it stands here where there is
    no other source."""
    newest: bool = False
    """Of several new files that match the newest is read, and of several values that a pointer with
    `*` leads to the last; otherwise both are errors."""
    format: Format = "auto"  # of `file`; auto: by the end of its name
    step: Key | None = None
    """What counts steps, so that there are curves and trials can be stopped early: a key, a column
    or a pointer of `file`, a named group of `stdout`."""
    metrics: Annotated[
        dict[Text, Key] | None,
        BeforeValidator(_by_own_name, json_schema_input_type=dict[str, Text] | list[Text]),
    ] = None
    """By name: a key or column, or a JSON pointer (`/eval/accuracy`, `/runs/*/score`); of lm-eval
    `task/metric` or `task/metric,filter`, of Inspect `metric` or `scorer/metric`. A list where the
    names are the keys."""
    by_question: ByQuestion | None = None  # where its scores by question are

    @model_validator(mode="after")
    def _fits(self) -> "Source":
        problems = list(_problems(self))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The keys that say where numbers are: one, or none where there are only questions."""
        return tuple(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Metrics that it promises."""
        if self.stdout is not None:
            found = (name for pattern in self.stdout for name in pattern_names(pattern))
            return tuple(dict.fromkeys(name for name in found if name != self.step))
        return tuple(self.metrics or ())


Sources = Annotated[
    tuple[Source, ...],
    BeforeValidator(_mapping_or_list, json_schema_input_type=Source | list[Source]),
    Field(strict=False, min_length=1),
]


@dataclass(frozen=True, slots=True)
class Results:
    """All sources of a study."""

    sources: tuple[Source, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all metrics that are promised; what a program reports is not known before."""
        return tuple(dict.fromkeys(name for source in self.sources for name in source.names))

    @property
    def by_question(self) -> bool:
        """Whether scores by question are promised."""
        return any(source.by_question is not None for source in self.sources)


def _problems(source: Source) -> Iterator[str]:
    kinds = source.kinds
    if len(kinds) > 1:
        yield f"{listed(kinds)} are several sources; write a list with one of them in each entry"
        return
    if not kinds and source.by_question is None:
        yield f"must say where numbers are: one of {listed(KINDS)}, by_question"
        return
    kind = kinds[0] if kinds else "by_question"
    if source.metrics is None and kind in ("file", "trainer_state", "lm_eval", "inspect"):
        yield f"`metrics` is missing beside `{kind}`: which of its numbers have which names"
    if source.metrics is not None and kind in ("stdout", "reported", "by_question"):
        yield f"`metrics` has no meaning beside `{kind}`"
    if source.metrics == {}:
        yield "`metrics` must name at least one"
    odd = [name for name in source.metrics or () if NAMES.fullmatch(name) is None]
    if odd:
        yield f"`metrics` must have names of letters, digits, blanks and _-.:/, not {listed(odd)}"
    if source.format != "auto" and kind != "file":
        yield f"`format` has no meaning beside `{kind}`"
    if source.step is not None and kind not in ("file", "stdout"):
        yield f"`step` has no meaning beside `{kind}`"
    if source.stdout is not None:
        yield from _pattern_problems(source, source.stdout)
    if source.by_question is not None:
        yield from _question_problems(source.by_question, kind)


def _pattern_problems(source: Source, patterns: list[str]) -> Iterator[str]:
    names = [name for pattern in patterns for name in pattern_names(pattern)]
    has_macro = any(MACRO in pattern for pattern in patterns)
    if source.step is not None and source.step not in names and not has_macro:
        yield f"`step` must be one of the named groups: {listed(dict.fromkeys(names))}"
    if not source.names and not has_macro:
        yield "`stdout` has no named group for a metric"


def _question_problems(questions: ByQuestion, kind: str) -> Iterator[str]:
    knows_files = kind in ("lm_eval", "inspect")
    if knows_files and questions.file is not None:
        yield f"`by_question.file` has no meaning beside `{kind}`, which knows its own files"
    if not knows_files and questions.file is None:
        yield "`by_question.file` is missing: where the scores are"
    if not knows_files and questions.id is None:
        yield "`by_question.id` is missing: what tells questions apart"
    if kind != "inspect" and questions.score is None:
        yield "`by_question.score` is missing: what a question's score is called"
