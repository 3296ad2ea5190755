"""What a start finds of the study that earlier ones began, and what it keeps for the next.

The lag is that of the first start, whatever slots later ones have. A study file may have changed
where that changes no trial; settings that were added to `enqueue` are tried next, and with the
study it is kept before which trial they were: what is proposed then depends on what is stored.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sweeper.importing.known import ATTRIBUTE, known_results
from sweeper.search import Search
from sweeper.search.of_study import lag_of, search_of
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.study.changes import enqueued_at, require_same_study
from sweeper.study.config import StudyConfig


def continued_study(
    config: StudyConfig,
    *,
    store: StudyStore,
    folder: StudyFolder,
    path: Path,
    say: Callable[[str], None],
) -> StudyConfig:
    """Store a study as its file has it now, with when its settings were enqueued; return that.

    Raises:
        StudyChangedError: where the file contradicts what is stored.
    """
    stored = store.attributes().get("study")
    require_same_study(stored, config.to_json())
    begun = len(store.proposals())
    continued = replace(config, enqueued_at=enqueued_at(stored, len(config.enqueue), number=begun))
    store.set_attribute("study", continued.to_json())
    store.set_attribute("source", folder.source_of(path))  # where its paths begin
    folder.study_file.write_bytes(path.read_bytes())
    added = 0 if stored is None else len(config.enqueue) - len(stored.get("enqueue", ()))
    if added and begun:
        settings = "setting is" if added == 1 else "settings are"
        say(f"{added} enqueued {settings} new: tried next, as far as {config.trials} trials allow")
    return continued


def settled_search(config: StudyConfig, store: StudyStore, slots: int) -> Search:
    """What is searched, and what of it was known before, with the lag of the first start."""
    attributes = store.attributes()
    lag = attributes.get("lag")
    if not isinstance(lag, int):
        lag = lag_of(config, slots)
        store.set_attribute("lag", lag)
    return search_of(config, lag=lag, known=known_results(attributes.get(ATTRIBUTE, [])))
