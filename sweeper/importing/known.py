"""Imported results that the sampler knows before trial 0. Pure.

Only those that the user says to be of the study's own evaluation: nobody else can know.
"""

import math
from collections.abc import Sequence

from sweeper.importing.entries import SAME, Checked, Entry, evaluation_of
from sweeper.records import Notes, TrialRecord, TrialState
from sweeper.search import setting_key
from sweeper.study.config import StudyConfig

ATTRIBUTE = "imported"  # of the study's database: the list of entries
LEARNING = ("tpe", "gp")  # CMA-ES learns from its own generations only, the others from nothing


def teaching_problems(places: Sequence[str], checked: Checked, config: StudyConfig) -> list[str]:
    """What keeps rows from being results of the study's own evaluation, as the user says they are.

    Args:
        places: Where each entry stands.
        checked: The entries.
        config: The study.
    """
    can = config.can
    parts, listed = list(can.parts), can.nouns.sentences["en"]["list"]
    problems = [
        f"{text}; the sampler knows nothing out there: widen the range, or leave the row out"
        for text in checked.outside
    ]
    sets = list(dict.fromkeys(evaluation_of(entry) for entry in checked.entries))
    if len(sets) > 1:
        problems.append(f"rows of several evaluations cannot all be of the study's: {sets}")
    for place, entry in zip(places, checked.entries, strict=True):
        if entry["questions"] != can.questions:
            problems.append(
                f"{place}: measured on {entry['questions']} questions, the study asks "
                f"{can.questions}"
            )
        if list(entry["accuracy"]) != parts:
            problems.append(
                f"{place}: has the {listed} {', '.join(entry['accuracy'])}, the study "
                f"{', '.join(parts)}"
            )
    return problems


def known_results(entries: Sequence[Entry]) -> tuple[TrialRecord, ...]:
    """The entries of the study's own evaluation as complete records.

    Their numbers are the places of the entries, from 1; their order depends on settings and scores
    alone, so that the same results, imported in another order, give the same proposals.
    """
    records = [
        TrialRecord(
            number=number,
            params=entry["params"],
            state=TrialState.COMPLETE,
            score=mean_accuracy(entry),
            notes=Notes(
                origin="imported", accuracy=entry["accuracy"], source=entry.get("source", "")
            ),
        )
        for number, entry in enumerate(entries, start=1)
        if entry.get(SAME)
    ]
    return tuple(sorted(records, key=lambda r: (setting_key(r.params), r.score or 0.0, r.number)))


def mean_accuracy(entry: Entry) -> float:
    """The score of an entry: the mean over its parts."""
    accuracy = entry["accuracy"].values()
    return math.fsum(accuracy) / len(accuracy)
