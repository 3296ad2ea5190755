"""The study's own run in MLflow: how it is opened, its controls, and what it is closed with."""

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sweeper.addresses import masked
from sweeper.outcomes import Check, read_data
from sweeper.records import TrialRecord
from sweeper.results.best import Best
from sweeper.results.export import best_yaml
from sweeper.results.table import Row, markdown, parts_of
from sweeper.results.trials_csv import trials_csv
from sweeper.running.controls import contract_markdown
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking.view import StudyView
from sweeper.study.config import StudyConfig

WAS_AT = "mlflow"  # of the study's attributes: the last address at which it was in MLflow

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.enduring import Tracking


def open_study_run(
    tracking: "Tracking",
    config: StudyConfig,
    store: StudyStore,
    folder: StudyFolder,
    *,
    tags: Mapping[str, str],
) -> None:
    """Open the parent run, close what a dead driver left RUNNING, set up the page.

    Args:
        tracking: Where.
        config: The study.
        store: Keeps the id that tells it from others of its name.
        folder: Of the study. Where it holds trials of which the store knows nothing, their runs in
            the database of this workspace, where names are unique, are those of the study.
        tags: Provenance.
    """
    study_id = store.attributes().get("id")
    if study_id is None:  # tells this study from another one of its name on the same server
        is_lost = config.tracking_uri is None and (folder.root / "trials").exists()
        former = tracking.former_id(config.name) if is_lost else None
        study_id = former or secrets.token_hex(8)
        store.set_attribute("id", study_id)
    parent = tracking.study_run(
        config.name,
        study_id=study_id,
        description=config.question,
        params={
            "sampler": config.sampler.name,
            "seed": config.sampler.seed,
            "trials": config.trials,
        },
        tags=tags,
    )
    tracking.close_stale(live=[parent])
    tracking.save_view(
        StudyView(
            study=config.name,
            study_id=study_id,
            question=config.question,
            params=config.space.names,
            minimize=config.goal == "minimize",
            parts=tuple(map(config.nouns.key, config.can.parts)),
        )
    )
    store.set_attribute(WAS_AT, masked(config.tracking_uri or ""))


def has_been_there(config: StudyConfig, store: StudyStore) -> bool:
    """Whether the study has been in MLflow at the address that its file names."""
    return bool(store.attributes().get(WAS_AT) == masked(config.tracking_uri or ""))


def track_controls(tracking: "Tracking", config: StudyConfig, check: Check) -> None:
    """Write the data, and a run for each control, so that the ranking there shows them too."""
    environment = check.environment
    tracking.log_datasets(
        tracking.parent,
        {
            name: environment[key]
            for name, key in config.kind.datasets.items()
            if environment.get(key)
        },
    )
    for name, control in check.controls.items():
        run_id = tracking.trial_run(
            tracking.parent, name=f"control {name}", tags={"sweeper.origin": "control"}
        )
        tracking.finish_trial(
            run_id,
            status="FINISHED",
            score=control.score,
            parts={config.nouns.key(part): v for part, v in control.accuracy.items()},
            ended=check.ended,
        )


def artifacts(
    folder: StudyFolder,
    config: StudyConfig,
    records: Sequence[TrialRecord],
    table: Sequence[Row],
    best: Best | None,
) -> dict[str, str]:
    """Ranking, best configuration, study file and data contract, by their paths."""
    found: dict[str, str] = {
        "study.yaml": masked(folder.study_file.read_text()),
        "ranking.md": markdown(table, parts_of(table, config.nouns, config.can.parts)),
        "trials.csv": trials_csv(records, config.space.names, config.nouns, config.can.parts),
        **data_artifacts(folder),
    }
    text = best_yaml(config, records, best)
    return found if text is None else {**found, "best.yaml": text}


def data_artifacts(folder: StudyFolder) -> dict[str, str]:
    """What the trainer found in the data, for programs and for people."""
    contract = read_data(folder.controls)
    if contract is None:
        return {}
    text = json.dumps(contract, indent=2, ensure_ascii=False)
    return {"data.json": text, "data.md": contract_markdown(contract)}
