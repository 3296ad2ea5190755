"""What a trial need not train: the shorter trainings on its way, and settings that are known."""

from collections.abc import Iterable

from sweeper.records import TrialRecord, TrialState
from sweeper.search.search import Search, key_of, setting_key


def prefixes_of(search: Search, record: TrialRecord) -> list[TrialRecord]:
    """The shorter trainings that a trial has scored on its way, as complete trials.

    A trial that was stopped early has scored some, too; that of one which failed is not trusted.
    """
    name = search.fidelity
    if (
        name is None
        or name not in record.params
        or record.state not in (TrialState.COMPLETE, TrialState.PRUNED)
    ):
        return []
    [parameter] = [p for p in search.space.searched if p.name == name]
    shortest, step = int(parameter.bounds[0]), int(parameter.step or 1)
    scores = sorted(record.intermediate.items())
    return [
        TrialRecord(
            number=record.number,
            prefix=epoch,
            params={**record.params, name: epoch},
            state=TrialState.COMPLETE,
            score=score,
            intermediate={e: s for e, s in scores if e <= epoch},
        )
        for epoch, score in scores
        if shortest <= epoch < int(record.params[name]) and (epoch - shortest) % step == 0
    ]


def shared_prefixes(
    search: Search, proposals: Iterable[TrialRecord], known: set[str] | None = None
) -> list[TrialRecord]:
    """What ``proposals`` have scored on their way, each setting once: as the first trial had it.

    A setting that a trial before had of its own is not among them.

    Args:
        search: What is searched, and how.
        proposals: In order of their numbers.
        known: Settings of the proposals before these; takes in those of these.
    """
    known = set() if known is None else known
    found = []
    for record in proposals:
        for prefix, key in _prefixes_with_keys(search, record):
            if key not in known:
                known.add(key)
                found.append(prefix)
        if record.state is TrialState.COMPLETE:
            known.add(key_of(search, record))
    return found


def _prefixes_with_keys(search: Search, record: TrialRecord) -> list[tuple[TrialRecord, str]]:
    return search.memory.prefixes.of(
        record,
        lambda whole: [(each, setting_key(each.params)) for each in prefixes_of(search, whole)],
    )


def best_before(search: Search, number: int, records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The best complete trial among those that trial ``number`` may know, for its race."""
    sign = 1.0 if search.goal == "maximize" else -1.0
    last = number - max(search.lag, 1)
    known = [r for r in records if r.number <= last and r.state is TrialState.COMPLETE]
    return max(known, key=lambda r: (sign * (r.score or 0.0), -r.number), default=None)


def answered_before(
    search: Search, record: TrialRecord, records: Iterable[TrialRecord]
) -> TrialRecord | None:
    """The trial whose setting and seed ``record`` has again, among those it may know.

    It is complete, or has failed through this very setting, which would fail once more. Later ones
    are not looked at, whether they have ended or not: what becomes of a trial must not depend on
    time (see `awaits_answer`).
    """
    if record.notes.repeat:
        return None
    last = _last_known(search, record)
    return next(
        (
            known
            for known in records
            if known.number <= last
            and known.params == record.params
            and (known.state is TrialState.COMPLETE or known.failed_by_setting)
            and not known.notes.repeat
        ),
        None,
    )


def awaits_answer(search: Search, record: TrialRecord, records: Iterable[TrialRecord]) -> bool:
    """Whether a trial that may answer ``record``, or one before that, still runs.

    Samplers that look at no history, and what is given, would not wait for it: then the record
    would be answered where the driver was slow or killed, and trained where it was not. A lag of 0
    gives that up.
    """
    if search.lag == 0 or record.notes.repeat:
        return False
    last = _last_known(search, record)
    known = [one for one in records if one.prefix is None and one.number <= last]
    answers = [one.number for one in known if _may_answer(search, one, record)]
    running = [one.number for one in known if one.state is TrialState.RUNNING]
    return bool(answers and running) and min(running) <= max(answers)


def _may_answer(search: Search, known: TrialRecord, record: TrialRecord) -> bool:
    """Whether a trial has the setting of another one, or a longer training of it."""
    name = search.fidelity
    if known.notes.repeat:
        return False
    if name is None or name not in known.params or name not in record.params:
        return known.params == record.params
    is_long_enough = float(known.params[name]) >= float(record.params[name])
    return is_long_enough and {**known.params, name: record.params[name]} == record.params


def _last_known(search: Search, record: TrialRecord) -> int:
    """The last trial whose result ``record`` may know."""
    return record.number - max(search.lag, 1)
