"""One trial folder of a command study: run its programs, read what they left, say what came of it.

A step that has ended well is not run again after a crash; what had begun is begun anew. Nothing
that was there before the trial began counts as its result.
"""

import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import ValidationError

from sweeper.outcomes import (
    FAILURE,
    LOG,
    RESULT,
    STOP,
    TRIAL,
    Calls,
    Check,
    Failure,
    FailureKind,
    Result,
    job_digest,
    read_json,
    set_aside,
    write_json_atomic,
    write_outcome,
)
from sweeper.trainers.command import evaluations
from sweeper.trainers.command.configs import ConfigFile, ConfigFileError, write_config
from sweeper.trainers.command.controls import check, environment_of
from sweeper.trainers.command.done import Done, Ran, read_done
from sweeper.trainers.command.epochs import Epochs
from sweeper.trainers.command.exclusive import held
from sweeper.trainers.command.failing import NotDoneError, StoppedError
from sweeper.trainers.command.left import read_own
from sweeper.trainers.command.line_search import LineSearch
from sweeper.trainers.command.macros import MacroError
from sweeper.trainers.command.process import Ended, Log, kept_bytes, run_program
from sweeper.trainers.command.readback import not_applied
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.following import Follower
from sweeper.trainers.command.results.outcome import Outcome, ResultsError, combined
from sweeper.trainers.command.results.reading import read_results
from sweeper.trainers.command.results.reported import ReportFile
from sweeper.trainers.command.results.spec import Results, Source
from sweeper.trainers.command.spec import CommandSpec, Step
from sweeper.trainers.command.told import PARAMS, REPORT, macros_of, variables_of

Status = Literal["completed", "failed", "stopped"]
BEGUN = "begun"
COLLECTED = "collected"  # folder of what was gathered
QUOTED = 500  # bytes of a log that a message shows
GRACE = 30.0  # seconds that a program has to leave once it is asked
ABORTED, ASKED = "abort_if", "stop"  # why a program was ended
OF_SIGNALS: Mapping[int, FailureKind] = {  # that someone else has sent
    signal.SIGKILL: FailureKind.KILLED,
    signal.SIGTERM: FailureKind.PREEMPTED,
    signal.SIGINT: FailureKind.PREEMPTED,
    signal.SIGHUP: FailureKind.PREEMPTED,
}


def work_through(folder: Path, *, on_epoch: Callable[[], None] = lambda: None) -> Status:
    """Work through a folder; never raises for what its program did wrong.

    Args:
        folder: Holds `trial.json`; one with a result of its own is done.
        on_epoch: Called after each new line of `metrics.jsonl`.
    """
    (folder / FAILURE).unlink(missing_ok=True)
    if isinstance(read_own(folder), Result | Check):
        return "completed"
    try:
        outcome = _outcome(folder.absolute(), on_epoch)
    except StoppedError:
        return "stopped"
    except NotDoneError as error:
        outcome = error.failure
    except MacroError as error:
        outcome = Failure(kind=FailureKind.CONFIGURATION, message=str(error))
    except OSError as error:
        outcome = Failure(kind=FailureKind.FILES, message=str(error))
    except ValueError as error:  # of the system: a null byte in an argument or a variable
        outcome = Failure(kind=FailureKind.CONFIGURATION, message=str(error))
    write_outcome(folder, outcome)
    if not isinstance(outcome, Failure):
        return "completed"
    print(f"failed ({outcome.kind.value}): {outcome.message}", file=sys.stderr, flush=True)
    return "failed"


def _outcome(folder: Path, on_epoch: Callable[[], None]) -> Result | Check | Failure:
    if (folder / RESULT).exists():
        set_aside(folder / RESULT)
    job = read_json(folder / TRIAL)
    if job is None:
        raise NotDoneError(FailureKind.INPUT, f"{folder / TRIAL} is missing, or no JSON")
    if job["controls"] is not None:
        return check(folder, job, work_through)
    return _Work(folder, job, on_epoch).result()


@dataclass(frozen=True, slots=True)
class _Told:
    """What was read of a trial."""

    outcome: Outcome
    score: float
    parts: Mapping[str, float]


class _Work:
    """The programs of one trial."""

    def __init__(self, folder: Path, job: Mapping[str, Any], on_epoch: Callable[[], None]) -> None:
        self._folder = folder
        self._job = job
        self._digest = job_digest(job)
        try:
            self._spec = CommandSpec.model_validate(job["spec"]["program"])
        except ValidationError as error:
            raise NotDoneError(FailureKind.CONFIGURATION, f"{folder / TRIAL}: {error}") from error
        self._macros = macros_of(self._spec, job, folder)
        self._cwd = (Path(job["below"]) / self._macros.text(self._spec.cwd)).absolute()
        self._epochs = Epochs(folder, self._spec.metric, stage=self._digest, written=on_epoch)

    def result(self) -> Result:
        """Run what is left to run, and read what there is.

        Raises:
            NotDoneError, StoppedError: where there is no result.
        """
        self._require_inputs()
        if self._spec.exclusive is None:
            return self._result(read_done(self._folder, self._digest))
        path = self._cwd / self._macros.text(self._spec.exclusive)
        me = f"{self._folder} {self._digest}"
        with held(path, by=me, is_asked=(self._folder / STOP).exists) as is_as_left:
            done = read_done(self._folder, self._digest) if is_as_left else Done(self._digest)
            return self._result(done)

    def _result(self, done: Done) -> Result:
        if not done.steps:
            self._begin()
        results = self._filled(self._spec.read.sources)
        follower, reports = Follower(results), ReportFile(self._folder / REPORT)
        for line in done.printed(self._folder / LOG):
            self._follow(follower, line)
        for step in self._spec.all_steps:
            if step.name not in done:
                begin = kept_bytes(self._folder / LOG)
                self._run(step, follower, reports)
                done = done.and_also(Ran(step.name, begin, kept_bytes(self._folder / LOG)))
                done.write(self._folder)
        told = self._read(results, follower, reports)
        self._epochs.close(told.outcome)
        self._collect()
        parts, count, key = self._by_question(told)
        return Result(
            score=told.score,
            accuracy=parts,
            questions=count or None,
            job=self._digest,
            stage=self._digest,
            evaluation=key,
            reader_calls=Calls(),
            epochs_trained=self._epochs.count,
            environment=environment_of(self._job),
        )

    def _filled(self, sources: Sequence[Source]) -> Results:
        """The sources with their macros replaced."""
        told = [self._macros.value(source.model_dump(exclude_none=True)) for source in sources]
        try:
            return Results(tuple(Source.model_validate(entry) for entry in told))
        except ValidationError as error:
            raise NotDoneError(FailureKind.CONFIGURATION, f"results: {error}") from error

    def _require_inputs(self) -> None:
        for written, key in self._job["spec"]["inputs"].items():
            if not key:
                path = Path(self._job["below"]) / self._macros.text(written)
                raise NotDoneError(FailureKind.INPUT, f"inputs: {path} cannot be read")

    def _follow(self, follower: Follower, chunk: bytes) -> None:
        self._epochs.add((point.step, point.metrics) for point in follower.feed(chunk))

    def _begin(self) -> None:
        """Make the place as a trial finds it: what is older than the mark is none of its own."""
        (self._folder / REPORT).unlink(missing_ok=True)
        write_json_atomic(self._folder / PARAMS, dict(self._spec.params))
        for path in self._files(self._spec.fresh):
            path.unlink()
        for config in self._spec.configs:
            content = self._macros.value(config.model_dump(by_alias=True))
            try:
                write_config(ConfigFile.model_validate(content), below=self._cwd)
            except (ConfigFileError, ValidationError) as error:
                text = f"configs: {config.base}: {error}"
                raise NotDoneError(FailureKind.CONFIGURATION, text) from error
        (self._folder / BEGUN).write_text("")

    def _files(self, patterns: Sequence[str]) -> Iterator[Path]:
        """The files that globs mean."""
        for pattern in patterns:
            with contextlib.suppress(ResultsError):  # there is none
                yield from Place(self._cwd, 0.0).new_files(self._macros.text(pattern))

    def _run(self, step: Step, follower: Follower, reports: ReportFile) -> None:
        """Run one program to its end. Raises where it did not end well."""
        argv = self._macros.arguments(step.command)
        abort_if = self._spec.abort_if
        aborts = LineSearch(None if abort_if is None else self._macros.text(abort_if))

        def heard(chunk: bytes) -> str:
            self._follow(follower, chunk)
            found = aborts.feed(chunk)
            return "" if found is None else f"{ABORTED}: {found.strip()[:QUOTED]}"

        def watched() -> str:
            self._epochs.add((told.step, told.metrics) for told in reports.news())
            return ASKED if self._is_to_be_stopped() else ""

        with contextlib.closing(Log(self._folder / LOG)) as log:
            try:
                ended = run_program(
                    argv,
                    cwd=self._cwd,
                    environment=variables_of(self._spec, step, self._macros, self._folder),
                    log=log,
                    heard=heard,
                    watched=watched,
                    time_limit=step.time_limit or self._spec.time_limit,
                    grace=GRACE,
                )
            except OSError as error:
                text = f"{step.name}: {argv[0]!r} cannot be run in {self._cwd}: {error.strerror}"
                raise NotDoneError(FailureKind.INPUT, text) from error
        watched()
        last = heard(b"\n")  # a line without an end is none of the next step's
        ended = replace(ended, reason=ended.reason or last)
        if not ended.is_well:
            self._raise_for(step, ended)
        if (self._folder / STOP).exists() and (self._folder / REPORT).exists():
            raise StoppedError  # it may have left before its end, as it was asked to

    def _is_to_be_stopped(self) -> bool:
        """Whether the trial is to end; a program that reports may ask for that, and has time to."""
        try:
            asked = (self._folder / STOP).stat().st_mtime
        except FileNotFoundError:
            return False
        return not (self._folder / REPORT).exists() or time.time() > asked + GRACE

    def _raise_for(self, step: Step, ended: Ended) -> None:
        if ended.reason == ASKED:
            raise StoppedError
        said = self._last_lines()
        if ended.reason.startswith(ABORTED):
            raise NotDoneError(FailureKind.NOT_FINITE, f"{step.name} was ended: {ended.reason}")
        if ended.reason:
            text = f"{step.name} was ended {ended.reason}, its time_limit{said}"
            raise NotDoneError(FailureKind.TIMEOUT, text)
        if ended.signal is not None:
            kind = OF_SIGNALS.get(ended.signal, FailureKind.ERROR)
            raise NotDoneError(kind, f"{step.name} was ended by signal {ended.signal}{said}")
        text = f"{step.name} ended with exit code {ended.exit_code}{said}"
        raise NotDoneError(FailureKind.ERROR, text)

    def _last_lines(self) -> str:
        """The end of what was printed, for a message."""
        path = self._folder / LOG
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - QUOTED))
            text = file.read().decode(errors="replace").strip()
        return f"; the end of its log: {text}" if text else ", and printed nothing"

    def _read(self, results: Results, follower: Follower, reports: ReportFile) -> _Told:
        """Score, parts and all else that was told. Raises where there is no new result."""
        place = Place(self._cwd, (self._folder / BEGUN).stat().st_mtime)
        try:
            files = read_results(results, cwd=place.cwd, since=place.since)
            outcome = combined([follower.outcome(), files, reports.outcome()])
            parts = {name: outcome.metric(name) for name in self._spec.parts}
            score = fmean(parts.values()) if parts else outcome.metric(self._spec.metric.name)
            effective, log = self._spec.effective, self._folder / LOG
            wrong = list(not_applied(effective, self._macros, log=log, place=place))
        except ResultsError as error:
            raise NotDoneError(FailureKind.BAD_RESULT, str(error)) from error
        if not isfinite(score):
            raise NotDoneError(FailureKind.NOT_FINITE, f"{self._spec.metric.name} is {score}")
        if wrong:
            raise NotDoneError(FailureKind.NOT_APPLIED, "; ".join(wrong))
        for warning in outcome.warnings:
            self._warn(warning)
        return _Told(outcome, score, parts)

    def _by_question(self, told: _Told) -> tuple[dict[str, float], int, str | None]:
        """Parts of the score, number of questions and key of their scores, which are kept.

        Scores by question that are not those of the score would test something else: they are left
        out, and that is said.
        """
        metric = self._spec.metric.name
        found = evaluations.columns(told.outcome.questions, metric=metric)
        if not found:
            return dict(told.parts), 0, None
        wrong = evaluations.disagreement(found, told.score, told.parts)
        if wrong is not None:
            self._warn(f"{wrong}: trials are not compared by question")
            return dict(told.parts), 0, None
        means = {name: fmean(scores.values()) for name, scores in found.items()}
        key = evaluations.keep(self._folder / self._job["stages"], found)
        return means, len(next(iter(found.values()))), key

    def _warn(self, text: str) -> None:
        """Say it in the trial's log, which people read."""
        with (self._folder / LOG).open("a") as log:
            log.write(f"sweeper: warning: {text}\n")

    def _collect(self) -> None:
        taken: set[str] = set()
        for path in self._files(self._spec.collect):
            copy = self._folder / COLLECTED / path.name
            if path.name in taken:
                self._warn(f"collect: {path} is left out: another file has its name")
                continue
            taken.add(path.name)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy2(path, copy)
