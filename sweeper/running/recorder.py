"""What becomes of a trial, written to MLflow and then to the study: told last, nothing gets lost.

A trial ends by its own job, or is answered from what another one has recorded: the same setting
once more, or a shorter training that a longer one has scored on its way.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any, Literal

from sweeper.records import TrialRecord, TrialState
from sweeper.running.derived import from_record, mean_lines, of_line, result_tags
from sweeper.running.verdict import Verdict
from sweeper.search import Search, shared_prefixes
from sweeper.space import complete_values
from sweeper.store.study_folder import StudyFolder
from sweeper.store.study_store import StudyStore
from sweeper.store.tracking.keys import call_metrics, phase_groups
from sweeper.study.config import StudyConfig, spec_for
from trainer.contract import RESULT, TrainSpec, read_metrics

if TYPE_CHECKING:  # importing it imports MLflow
    from sweeper.store.tracking.runs import Tracking

MLFLOW_STATUS: dict[TrialState, Literal["FINISHED", "FAILED", "KILLED"]] = {
    TrialState.COMPLETE: "FINISHED",
    TrialState.PRUNED: "FINISHED",
    TrialState.FAILED: "FAILED",
    TrialState.RUNNING: "KILLED",
}


class Recorder:
    """Writes the trials of one study, for the driver that holds its lock."""

    def __init__(
        self,
        config: StudyConfig,
        search: Search,
        *,
        folder: StudyFolder,
        store: StudyStore,
        tracking: "Tracking",
        parent_run: str,
    ) -> None:
        self._config = config
        self._search = search
        self._folder = folder
        self._store = store
        self._tracking = tracking
        self._parent_run = parent_run
        self.asked_by_controls = 0  # reader calls
        self._prefixes = {r.name for r in store.records() if r.prefix is not None}
        self._settled = 0  # the first trial whose shorter trainings have not been added
        self._settled_settings: set[str] = set()

    def spec(self, record: TrialRecord, *, seed: int | None = None) -> TrainSpec:
        """What a trial trains; with ``seed``, where the study gives its settings several."""
        values = complete_values(self._config.space, record.params)
        return spec_for(self._config, values, repeat=record.notes.get("repeat", 0), seed=seed)

    def open(self, record: TrialRecord) -> str:
        """Open the MLflow run of a trial, the one that it has already or a new one."""
        run_id = self._tracking.trial_run(
            self._parent_run,
            name=f"trial {record.number}",
            number=record.number,
            params=record.notes["values"],
            tags={"sweeper.proposed": record.notes["proposed"], "sweeper.origin": "trained"},
            run_id=record.notes.get("run_id"),
        )
        self._store.note(record.number, run_id=run_id)
        return run_id

    def open_seed(self, run_id: str, record: TrialRecord, seed: int) -> str:
        """Open the run of one seed below that of its trial."""
        return self._tracking.trial_run(
            run_id,
            name=f"trial {record.name} seed {seed}",
            params={**record.notes["values"], "seed": seed},
            tags={"sweeper.origin": "seed"},
        )

    def end_seed(self, run_id: str, result: Mapping[str, Any], *, ended: float | None) -> None:
        """Close the run of one seed."""
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            score=result["score"],
            accuracy={int(shots): value for shots, value in result["accuracy"].items()},
            tags={"sweeper.stage": result["stage"]},
            ended=ended,
        )

    def log_epochs(self, run_id: str, lines: Sequence[Mapping[str, Any]], spec: TrainSpec) -> None:
        """Copy new epochs to the run that shows their curves."""
        groups = phase_groups([entry.kind for entry in spec.phases])
        self._tracking.log_epochs(run_id, lines, groups=groups)

    def leave(self, run_id: str) -> None:
        """Mark a run whose trial goes on with the next driver."""
        self._tracking.finish_trial(run_id, status="KILLED")

    def end(
        self,
        number: int,
        run_id: str,
        verdict: Verdict,
        result: Mapping[str, Any],
        *,
        spec: TrainSpec,
        started: float,
        ended: float | None,
    ) -> None:
        """Write a verdict other than RUNNING.

        Args:
            number: Of the trial.
            run_id: Its run.
            verdict: What became of it.
            result: Of its jobs; read only where it is complete.
            spec: What it trained.
            started: Seconds since 1970.
            ended: Of its last epoch; seconds since 1970.
        """
        complete = verdict.state is TrialState.COMPLETE
        raced_out = "raced_out" in result and not complete
        tags = result_tags(spec, result) if complete else {}
        if verdict.failure is not None:
            tags |= {"sweeper.failure": verdict.failure}
        if verdict.reason:
            tags |= {"sweeper.reason": verdict.reason}
        self._tracking.finish_trial(
            run_id,
            status=MLFLOW_STATUS[verdict.state],
            score=verdict.score,
            accuracy={int(s): value for s, value in result["accuracy"].items()} if complete else {},
            metrics=_final_metrics(result) if complete or raced_out else {},
            tags=tags,
            ended=ended,
        )
        notes: dict[str, Any] = {"seconds": time.time() - started}
        if complete:
            notes |= {
                "accuracy": result["accuracy"],
                "stage": result["stage"],
                "evaluation": result.get("evaluation"),
                "device": result["environment"]["device"],
                "origin": tags["sweeper.origin"],
                "epochs_trained": result["epochs_trained"],
                "reader_calls": result["reader_calls"],
                **{name: result[name] for name in ("seeds", "spread") if name in result},
            }
        if raced_out:
            names = ("stage", "evaluation", "epochs_trained", "reader_calls", "raced_out")
            notes |= {name: result[name] for name in names}
        if verdict.failure is not None:
            notes |= {"failure": verdict.failure}
        if verdict.reason:
            notes |= {"reason": verdict.reason}
        self._told(number, verdict, notes)

    def answer(self, record: TrialRecord, known: TrialRecord) -> Verdict:
        """Write a proposal that another trial has answered, without a job; its curves are there.

        Run and row are written whole: a driver that dies between them proposes it again.
        """
        notes = {
            **record.notes,
            **from_record(known.notes, known.name, self.lines_of(known)),
            **{name: known.notes[name] for name in ("seeds", "spread") if name in known.notes},
            "origin": "cached",
            "seconds": 0.0,
        }
        run_id = self._tracking.ended_trial(
            self._parent_run,
            name=f"trial {record.number}",
            number=record.number,
            score=known.score,
            accuracy={int(shots): value for shots, value in notes["accuracy"].items()},
            metrics=_final_metrics(notes),
            params=record.notes["values"],
            tags={
                "sweeper.proposed": record.notes["proposed"],
                "sweeper.origin": "cached",
                "sweeper.source": f"trial {known.name}",
            },
        )
        self._store.add(
            replace(
                record,
                state=TrialState.COMPLETE,
                score=known.score,
                intermediate=dict(known.intermediate),
                notes={**notes, "run_id": run_id},
            )
        )
        self.add_prefixes()
        return Verdict(state=TrialState.COMPLETE, score=known.score)

    def add_imported(self, ended: float) -> None:
        """Show what the sampler knew before trial 0 beside the trials, once: in MLflow and Optuna.

        Args:
            ended: The time that their numbers get; the same at every resume. Seconds since 1970.
        """
        for record in self._search.known:
            if self._store.has_imported(record.number):
                continue
            self._tracking.ended_trial(
                self._parent_run,
                name=f"imported {record.number}",
                score=record.score,
                accuracy={int(s): value for s, value in record.notes["accuracy"].items()},
                params=complete_values(self._config.space, record.params),
                tags={
                    "sweeper.origin": "imported",
                    "sweeper.source": record.notes["source"] or "not told",
                },
                ended=ended,
            )
            self._store.add_imported(record)

    def add_prefixes(self) -> None:
        """Add the shorter trainings that trials have scored, up to the first that still runs.

        In the order of the numbers, not of time: the same rows, however the jobs ended.
        """
        done = []
        for record in self._store.proposals()[self._settled :]:
            if record.state is TrialState.RUNNING:
                break
            done.append(record)
        self._settled += len(done)
        for prefix in shared_prefixes(self._search, done, self._settled_settings):
            if prefix.name not in self._prefixes:
                self._add_prefix(prefix, self._store.record(prefix.number))

    def finish_final(self, record: TrialRecord, final: Mapping[str, Any]) -> None:
        """Write what further seeds and questions gave to the run of a trial that has ended."""
        run_id = record.notes["run_id"]
        for entry in final["seeds"]:
            self.end_seed(self.open_seed(run_id, record, entry["seed"]), entry, ended=None)
        shots = {f"final_shot_{s}": value for s, value in final["accuracy"].items()}
        spread = {} if final["spread"] is None else {"final_spread": final["spread"]}
        self._tracking.finish_trial(
            run_id,
            status="FINISHED",
            metrics={"final_score": final["score"], **shots, **spread},
            tags={"sweeper.final": f"{len(final['seeds'])} seeds, {final['questions']} questions"},
        )

    def held_out(self, record: TrialRecord, result: Mapping[str, Any]) -> None:
        """Write what the held-out questions gave to the run of a trial that has ended."""
        log_held_out(self._tracking, self._folder, record, result)

    def lines_of(self, record: TrialRecord) -> list[dict[str, Any]]:
        """The epochs of a trial, or of the shorter training that it contains, as far as there.

        Means over the seeds where each setting is trained with several.
        """
        source = int(str(record.notes.get("source", record.number)).partition("@")[0])
        try:
            lines = mean_lines([read_metrics(folder)[0] for folder in self._folders(source)])
        except ValueError:  # damaged by someone: as good as gone
            return []
        spec = self.spec(record)
        last = len(spec.phases) - 1
        epochs = spec.phases[-1].settings.trained_epochs
        return [line for line in lines if line["phase_index"] < last or line["epoch"] <= epochs]

    def _seeds_of(self, prefix: TrialRecord) -> dict[str, Any]:
        """What each seed had scored where a shorter training ends, where there are several."""
        seeds = self._config.search_seeds
        if len(seeds) < 2:
            return {}
        spec = self.spec(prefix)
        place = (len(spec.phases) - 1, spec.phases[-1].settings.trained_epochs)
        ends = [
            line
            for folder in self._folders(prefix.number)
            for line in read_metrics(folder)[0]
            if (line["phase_index"], line["epoch"]) == place
        ]
        if len(ends) < len(seeds):
            return {}
        told = [of_line(line) for line in ends]
        return {
            "seeds": [{"seed": seed, **entry} for seed, entry in zip(seeds, told, strict=True)],
            "spread": stdev(entry["score"] for entry in told),
        }

    def calls(self) -> dict[str, int]:
        """Reader calls of the controls and of all trials so far, by what became of them."""
        total = Counter(needed=self.asked_by_controls, asked=self.asked_by_controls)
        for record in self._store.proposals():
            total.update(record.notes.get("reader_calls", {}))
        for final in self._store.finals().values():
            total.update(final["reader_calls"])
        return {cause: total[cause] for cause in ("needed", "asked", "stage", "store", "equal")}

    def _folders(self, number: int) -> Iterator[Path]:
        for seed in self._config.search_seeds or (None,):
            yield self._folder.trial(number, seed=self._config.folder_seed(seed))

    def _told(self, number: int, verdict: Verdict, notes: Mapping[str, Any]) -> None:
        self._store.tell(number, verdict.state, verdict.score, **notes)
        self.add_prefixes()

    def _add_prefix(self, prefix: TrialRecord, whole: TrialRecord) -> None:
        """Write the row and the MLflow run of a shorter training; its curves are the longer's."""
        values = complete_values(self._config.space, prefix.params)
        lines = self.lines_of(prefix)
        if not lines:  # its files are gone: nothing is known but one number
            return
        notes = from_record(whole.notes, whole.name, lines)
        notes |= {"values": values, "proposed": "shared prefix", "origin": "shared prefix"}
        notes |= self._seeds_of(prefix)
        run_id = self._tracking.ended_trial(
            self._parent_run,
            name=f"trial {prefix.name}",
            score=prefix.score,
            accuracy={int(shots): value for shots, value in notes["accuracy"].items()},
            metrics=call_metrics(notes["reader_calls"]),
            params=values,
            tags={
                "sweeper.origin": "shared prefix",
                "sweeper.source": f"trial {whole.name}",
                "sweeper.stage": notes["stage"],
            },
            ended=lines[-1]["timing"]["ended"],
        )
        self._store.add(replace(prefix, notes={**notes, "run_id": run_id}))
        self._prefixes.add(prefix.name)


def log_held_out(
    tracking: "Tracking", folder: StudyFolder, record: TrialRecord, result: Mapping[str, Any]
) -> None:
    """Write what the held-out questions gave to the run of a trial that has ended.

    The time is that of the result's file: written again, these are the same points.
    """
    shots = {f"heldout_shot_{s}": value for s, value in result["accuracy"].items()}
    tracking.add_metrics(
        record.notes["run_id"],
        {"heldout_score": result["score"], **shots},
        at=(folder.confirmation(str(record.name)) / RESULT).stat().st_mtime,
    )


def _final_metrics(told: Mapping[str, Any]) -> dict[str, float]:
    spread = told.get("spread")
    metrics: dict[str, float] = dict(call_metrics(told["reader_calls"]))
    return metrics if spread is None else {**metrics, "spread": spread}
