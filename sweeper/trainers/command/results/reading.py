"""What a program left in files, once it has ended: every source of `results:`, put together."""

from pathlib import Path

from sweeper.trainers.command.results.documents import document
from sweeper.trainers.command.results.files import Place
from sweeper.trainers.command.results.inspect_logs import read_inspect
from sweeper.trainers.command.results.lm_eval import read_lm_eval
from sweeper.trainers.command.results.outcome import Outcome, ResultsError, combined
from sweeper.trainers.command.results.questions import read_questions
from sweeper.trainers.command.results.rows import RowFile, form_of, read_json
from sweeper.trainers.command.results.series import series
from sweeper.trainers.command.results.spec import Results, Source
from sweeper.trainers.command.results.trainer_state import read_trainer_state


def read_results(results: Results, *, cwd: Path, since: float) -> Outcome:
    """Read all files of a study's results; what was printed or reported is not among them.

    Args:
        results: With their macros filled in.
        cwd: Where the program ran: relative paths begin there.
        since: Modification time, in seconds since 1970, that a result must have reached: that of a
            file written as the trial began, on the same file system, whose clock may not be ours.

    Raises:
        ResultsError: with the first thing that keeps a promised number from being read.
    """
    place = Place(cwd, since)
    try:
        return combined(
            outcome
            for source in results.sources
            for outcome in (_metrics(place, source), read_questions(place, source))
        )
    except OSError as error:
        raise ResultsError(f"{error.filename} cannot be read: {error.strerror}") from error


def _metrics(place: Place, source: Source) -> Outcome:
    metrics = source.metrics or {}
    if source.file is not None:
        return _file(place, source.file, source)
    if source.trainer_state is not None:
        return read_trainer_state(place, source.trainer_state, metrics, newest=source.newest)
    if source.lm_eval is not None:
        return read_lm_eval(place, source.lm_eval, metrics)
    if source.inspect is not None:
        return read_inspect(place, source.inspect, metrics, newest=source.newest)
    return Outcome()


def _file(place: Place, pattern: str, source: Source) -> Outcome:
    path = place.new_file(pattern, newest=source.newest)
    metrics = source.metrics or {}
    form = form_of(path, source.format)
    if form == "json":
        content = read_json(path)
        return document(path, content, metrics, step=source.step, newest=source.newest)
    file = RowFile(path, form)
    found = series(path, file.rows(), metrics, step=source.step)
    return combined([found, Outcome(warnings=tuple(file.warnings))])
