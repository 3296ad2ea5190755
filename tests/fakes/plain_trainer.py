"""The least that is a trainer: one number goes down by halves, and nothing is shared or kept.

With `parts` its score is the mean of two metrics of other ranges, and more is better.
"""

import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from sweeper.errors import UsageError
from sweeper.outcomes import (
    METRICS,
    RESULT,
    TRIAL,
    Calls,
    Check,
    Epoch,
    Left,
    Liveness,
    Place,
    Result,
    read_epochs,
    read_json,
    read_left,
    write_json_atomic,
)
from sweeper.problems import Where
from sweeper.references import substitute
from sweeper.refusals import Refusal
from sweeper.space import Value
from sweeper.trainers import (
    Capabilities,
    CheckReport,
    Claims,
    Command,
    Costs,
    Goal,
    Needed,
    RefusedError,
    Section,
    Surroundings,
    Training,
)

DEFAULTS = {"rate": 0.5, "halvings": 2, "seed": 0, "parts": False}
PARTS = {"math": 10.0, "gsm8k": -400.0}  # of the rest


@dataclass(frozen=True)
class PlainTraining:
    rate: float
    steps: int
    seed: int
    parts: bool = False
    phases: Sequence[str] = ("halve",)
    answers: int = 0

    @property
    def epochs(self) -> int:
        return self.steps

    @property
    def end(self) -> Place:
        return Place(0, self.steps)

    @property
    def path(self) -> Sequence[str]:
        return [f"{self.rate}/{self.seed}/{step}" for step in range(1, self.steps + 1)]

    @property
    def mildness(self) -> tuple[Any, ...]:
        return (self.steps, self.rate)

    def continues(self, shorter: Training) -> bool:
        return self.path[-1] != shorter.path[-1] and shorter.path[-1] in self.path

    def beginning(self) -> "PlainTraining":
        return PlainTraining(self.rate, 0, self.seed, self.parts)

    def in_full(self) -> "PlainTraining":
        return self

    def on_holdout(self) -> "PlainTraining":
        return self

    def may_differ(self, first: Training) -> Collection[str]:
        return ()

    def to_json(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "halvings": self.steps,
            "seed": self.seed,
            "parts": self.parts,
        }

    def job(
        self,
        where: Surroundings,
        *,
        controls: Sequence[str] | None = None,
        rival: str | None = None,
    ) -> dict[str, Any]:
        job = {"spec": self.to_json(), "device": where.device}
        return job if controls is None else {**job, "controls": list(controls)}

    def command(self) -> Command:
        return Command(argv=(sys.executable, __file__), worker=None, threads=1)


NOTHING_CHECKED = Check(
    controls={},
    liveness=Liveness(alive=True, questions=0, groups=()),
    stage="",
    ended=0.0,
    reader_calls=Calls(),
    epochs_trained=0,
    environment={},
)


class NoClaims:
    def is_free(self, key: str) -> bool:
        return True


class PlainTrainer:
    fields: Sequence[str] = ("rate", "halvings")

    @property
    def place(self) -> Where:
        return ("trainer",)

    @property
    def keys(self) -> Collection[str]:
        return ("trainer",)

    def written(
        self, file: Mapping[str, object], *, metric: Mapping[str, str], names: Sequence[str]
    ) -> Section:
        found = file.get("trainer")
        return found if isinstance(found, dict) else {}

    def filled(self, section: Section, values: Mapping[str, Value]) -> Section:
        return dict(substitute(section, values))

    def is_own(self, name: str) -> bool:
        return False

    def reads_all(self, section: Section) -> bool:
        return False

    def metrics(self, section: Section) -> Mapping[str, Goal]:
        return {"reward": "maximize"} if section.get("parts") else {"rest": "minimize"}

    @property
    def datasets(self) -> Mapping[str, str]:
        return {}

    def refusals(self, section: Section) -> Sequence[Refusal]:
        unknown = [Refusal((key,), "is no key") for key in section if key not in DEFAULTS]
        rate = section.get("rate", 0.5)
        if not isinstance(rate, float) or not 0.0 < rate < 1.0:
            unknown.append(Refusal(("rate",), f"must be between 0 and 1, got {rate!r}"))
        return unknown

    def complaints(self, section: Section, *, prunes: bool) -> Iterable[tuple[Where, str]]:
        return ()

    def resolved(self, section: Section) -> dict[str, Any]:
        return {**DEFAULTS, **section}

    def capabilities(self, section: Section) -> Capabilities:
        whole = self.resolved(section)
        return Capabilities(
            metric="reward" if whole["parts"] else "rest",
            goal="maximize" if whole["parts"] else "minimize",
            parts=tuple(PARTS) if whole["parts"] else (),
            questions=1,
            questions_key="",
            controls=(),
            asked_for=False,
            holdout=False,
            by_question=False,
            asks=False,
            every_epoch=True,
            races=False,
            finals=False,
            seed=whole["seed"],
        )

    def training(
        self, section: Section, *, seed: int | None, repeat: int, below: Path, trusted: bool
    ) -> PlainTraining:
        if not trusted and (refusals := self.refusals(section)):
            raise RefusedError(refusals)
        whole = self.resolved(section)
        return PlainTraining(
            rate=whole["rate"],
            steps=whole["halvings"],
            seed=(whole["seed"] if seed is None else seed) + repeat,
            parts=whole["parts"],
        )

    def field_of(self, name: str) -> tuple[str, str] | None:
        return ("", name) if name in DEFAULTS else None

    def section(self, names: Mapping[tuple[str, str], str]) -> dict[str, Any]:
        return {field: f"${{{name}}}" for (_, field), name in names.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {} for name in DEFAULTS}}

    def choices(self, section: Section) -> Section:
        return {}

    def costs(self, trainings: Sequence[Training], *, scale: float) -> Costs:
        total = scale * sum(training.epochs for training in trainings)
        return Costs(epochs=total, epochs_alone=total, calls=0, calls_alone=0)

    def fixed_calls(self, training: Training, controls: Sequence[str], *, confirmed: int) -> int:
        return 0

    def warning(self, training: Training) -> str | None:
        return None

    def news(self, folder: Path, *, offset: int) -> tuple[Sequence[Epoch], int]:
        return read_epochs(folder, offset=offset)

    def left(self, folder: Path) -> Left:
        return read_left(folder)

    @contextmanager
    def claims(self, stages: Path) -> Iterator[Claims]:
        yield NoClaims()

    def needed(self, folder: Path, *, training: Training | None = None) -> Needed:
        return Needed(frozenset(), frozenset())

    def scores(self, stages: Path, key: str | None, count: int) -> None:
        return None

    def control_keys(self, folder: Path) -> Mapping[str, str]:
        return {}

    def tensor_means(self, stages: Path, key: str) -> Mapping[str, float]:
        return {}

    def rules(self) -> Sequence[Any]:
        return ()

    def texts(self, language: str) -> Mapping[str, tuple[str, str, str]]:
        return {}

    def check(self, training: Training, *, device: str) -> CheckReport:
        return CheckReport()

    def export(self, stage: Path, folder: Path, *, form: str, verify_with: str | None) -> str:
        raise UsageError("there are no weights")

    def by_hand(self, training: Training, *, study: str, trial: str, device: str) -> None:
        return None


def work(folder: Path) -> None:
    job = read_json(folder / TRIAL)
    assert job is not None
    if "controls" in job:
        write_json_atomic(folder / RESULT, NOTHING_CHECKED.to_json())
        return
    rest, stage, score, parts = 1.0, "", 1.0, {}
    calls = Calls()
    with (folder / METRICS).open("a") as metrics:
        for step in range(1, job["spec"]["halvings"] + 1):
            rest *= job["spec"]["rate"]
            parts = {name: k * rest for name, k in PARTS.items() if job["spec"]["parts"]}
            score = fmean(parts.values()) if parts else rest
            stage = f"{job['spec']['rate']}/{job['spec']['seed']}/{step}"
            epoch = {
                "phase": "halve",
                "phase_index": 0,
                "epoch": step,
                "stage": stage,
                "metrics": {"score": score, **parts},
                "timing": {"ended": time.time()},
            }
            metrics.write(json.dumps(Epoch.model_validate(epoch).to_json()) + "\n")
    result = Result(
        score=score,
        accuracy=parts,
        stage=stage,
        reader_calls=calls,
        epochs_trained=job["spec"]["halvings"],
        environment={},
    )
    write_json_atomic(folder / RESULT, result.to_json())


if __name__ == "__main__":
    work(Path(sys.argv[-1]))
