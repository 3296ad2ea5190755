"""What people take away: the best configuration, its checkpoint, a folder to run by hand."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from sweeper.errors import UsageError
from sweeper.ranking import told_score
from sweeper.records import TrialRecord, TrialState
from sweeper.results.best import Best
from sweeper.results.trials_csv import trials_csv
from sweeper.space import Value, complete_values
from sweeper.store.trial_folder import prepare_job
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import ByHand, Surroundings, Trainer, Training

Format = Literal["yaml", "json", "env", "args", "shell"]
FORMATS: tuple[Format, ...] = ("yaml", "json", "env", "args", "shell")
CheckpointFormat = Literal["stage", "lab"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One complete trial as a configuration to use elsewhere."""

    study: str
    trial: int | str  # 7, or 7@2
    score: float  # as measured
    params: Mapping[str, Value]  # inactive parameters hold their `otherwise`
    training: Training
    kind: Trainer
    stage: str  # key of the last stage
    device: str  # kind that trained it
    best: Best | None = None  # how it was chosen; None: it was asked for by its name

    def to_json(self) -> dict[str, object]:
        """An object with `study, trial, score, params, spec`, and what is known of the choice.

        `rule` where it is not the highest score, `by` where one part of the score chose, and
        `may_be_best`, the number of settings that cannot be told from the best, that included;
        `run`, the programs with their arguments and variables, where a person can call them.
        """
        called = self._by_hand()
        return {
            "study": self.study,
            "trial": self.trial,
            "score": self.score,
            **({} if self.best is None else _how(self.best)),
            "params": dict(self.params),
            **({} if called is None else {"run": [dict(step) for step in called.steps]}),
            "spec": self.training.to_json(),
        }

    def render(self, form: Format) -> str:
        """The configuration as text in one of the formats, without a final newline.

        Raises:
            UsageError: for lines of a shell, where no program can be called by hand.
        """
        if form == "json":
            return json.dumps(self.to_json(), indent=2)
        if form == "yaml":
            dumped: str = yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True)
            return dumped.rstrip("\n")
        if form == "shell":
            called = self._by_hand()
            if called is None:
                raise UsageError(
                    f"study {self.study!r} runs no program of yours; "
                    "--trial-dir DIR writes a folder to run again"
                )
            return called.script
        texts = {name: _plain(value) for name, value in self.params.items()}
        if form == "env":
            return "\n".join(f"{_shell_name(n)}={shlex.quote(t)}" for n, t in texts.items())
        return " ".join(f"--{name} {shlex.quote(text)}" for name, text in texts.items())

    def _by_hand(self) -> ByHand | None:
        return self.kind.by_hand(
            self.training, study=self.study, trial=str(self.trial), device=self.device
        )


def configuration(
    config: StudyConfig,
    records: Sequence[TrialRecord],
    best: Best | None,
    *,
    trial: str | None = None,
) -> Configuration:
    """The trial that was chosen as the best, or the complete one that is called ``trial``.

    Raises:
        UsageError: where no trial is complete, or that one is not.
    """
    complete = [record for record in records if record.state is TrialState.COMPLETE]
    record = None if best is None else best.record
    if trial is not None:
        best, record = None, next((r for r in complete if str(r.name) == trial), None)
    if record is None:
        raise UsageError(_nothing_complete(config, records, trial))
    values = complete_values(config.space, record.params)
    return Configuration(
        study=config.name,
        trial=record.name,
        score=told_score(record) if best is None else best.score,
        params=values,
        kind=config.kind,
        training=training_of(config, values, repeat=record.notes.repeat),
        stage=record.notes.stage or "",
        device=record.notes.device,
        best=best,
    )


def _how(best: Best) -> dict[str, object]:
    told: dict[str, object] = {} if best.rule == "highest" else {"rule": best.rule}
    told |= {} if best.by is None else {"by": best.by}
    return told if best.tie is None else {**told, "may_be_best": best.tie.count}


def _nothing_complete(
    config: StudyConfig, records: Sequence[TrialRecord], trial: str | None
) -> str:
    if trial is not None:
        states = {str(record.name): record.state.value for record in records}
        found = f"is {states[trial]}" if trial in states else "does not exist"
        return f"trial {trial} of study {config.name!r} {found}; only a complete trial is exported"
    counts = ", ".join(
        f"{sum(record.state is state for record in records)} {state.value}" for state in TrialState
    )
    return f"study {config.name!r} has no complete trial to export ({counts}); run it first"


def best_yaml(config: StudyConfig, records: Sequence[TrialRecord], best: Best | None) -> str | None:
    """The best configuration as YAML; None where no trial is complete."""
    return None if best is None else configuration(config, records, best).render("yaml") + "\n"


def all_trials(config: StudyConfig, records: Sequence[TrialRecord]) -> str:
    """Every trial as CSV."""
    return trials_csv(records, config.space.names, config.nouns, config.can.parts)


def write_trial_folder(chosen: Configuration, folder: Path) -> None:
    """Write the `trial.json` that `python -m trainer run` takes, with stages of its own beside it.

    Raises:
        UsageError: where the folder exists and is not empty.
    """
    _require_empty(folder)
    where = Surroundings(stages=Path("stages"), device=chosen.device)
    prepare_job(folder, chosen.training.job(where))


def write_checkpoint(
    chosen: Configuration,
    stages: Path,
    folder: Path,
    *,
    form: CheckpointFormat = "stage",
    verify_with: str | None = None,
) -> str:
    """Write the weights of the trial's last stage, with its configuration beside them.

    Args:
        chosen: The trial.
        stages: Where stages are.
        folder: Empty, or made.
        form: "stage" copies the weights as they are; "lab" writes the lab's two files and reads
            them back as their consumers do.
        verify_with: A command of the lab's that loads ``{checkpoint}``.

    Returns:
        What was written and proved, for people.

    Raises:
        UsageError: where the folder is not empty, the stage is no longer on disk, or the form
            cannot hold the policy.
    """
    _require_empty(folder)
    stage = stages / chosen.stage
    if not stage.exists():
        raise UsageError(
            f"stage {chosen.stage} of trial {chosen.trial} is not in {stages}; train it again with "
            f"`sweeper export {chosen.study} --trial-dir DIR` and `python -m trainer run DIR`"
        )
    told = chosen.kind.export(stage, folder, form=form, verify_with=verify_with)
    (folder / "configuration.json").write_text(chosen.render("json") + "\n")
    return told


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not an empty folder; choose another")


def _shell_name(name: str) -> str:
    return re.sub(r"\W", "_", name, flags=re.ASCII).upper()


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
