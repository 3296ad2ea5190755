"""Speed and memory of the trainer on the lab's files, beside a plain implementation in one run.

    python benchmarks/training.py [--quick]

CPU time of one thread, the two sides in turns, medians. A GRPO epoch of ours is a third of a phase
of three, so that what is computed once a phase is in it. Loading is measured in processes of its
own. Ratios mean more than seconds: machines are noisy.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # of the package `benchmarks`

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.lab_data import write_lab_data  # noqa: E402
from benchmarks.plain import plain_grpo_epoch  # noqa: E402
from trainer.contract import GrpoSpec, TrainSpec  # noqa: E402
from trainer.phases.grpo import GrpoPhase, grpo_epochs  # noqa: E402
from trainer.policy.policy import PointerSelector  # noqa: E402
from trainer.rollouts.recorded import reward_of  # noqa: E402
from trainer.tasks import Inputs, open_inputs  # noqa: E402

HIDDEN = 256
LR, KL_BETA = 5e-6, 0.15  # the lab's
EPOCHS = 3  # of a phase
GIB = 1 << 30
BIG_JSON = 1_000_000_000  # bytes


def files_spec(data: Path, embeddings: Path) -> TrainSpec:
    """A spec of the lab's files; only its task is used."""
    return TrainSpec.model_validate(
        {
            "task": {"name": "files", "rollouts": str(data), "embeddings": str(embeddings)},
            "phases": [{"grpo": {}}],
            "evaluate": {"score": "validation_loss"},
        }
    )


def grpo_spec(freeze: str, batch_size: int, epochs: int) -> GrpoSpec:
    """The lab's GRPO without dropout."""
    return GrpoSpec(
        lr=LR,
        kl_beta=KL_BETA,
        freeze=freeze,
        batch_size=batch_size,
        epochs=epochs,
        rollouts="recorded",
        reward="hard_plus_soft",
    )


def our_epoch(
    inputs: Inputs,
    weights: Mapping[str, Tensor],
    freeze: str,
    batch_size: int,
    *,
    epochs: int = EPOCHS,
) -> float:
    """CPU seconds of one of our epochs."""
    task, reader = inputs
    policy = PointerSelector.from_state_dict(weights)
    settings = grpo_spec(freeze, batch_size, epochs)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=LR, weight_decay=0.01, fused=True)
    phase = GrpoPhase(
        settings=settings,
        task=task,
        reader=reader,
        embeddings=task.embeddings,
        recorded=task.record_rollouts("train", reader),
        reference=PointerSelector.from_state_dict(weights).requires_grad_(False).eval(),
        shots=(1, 2, 3, 4),
        seed=0,
        phase_index=0,
    )
    begin = time.process_time()
    for _ in grpo_epochs(policy, optimizer, phase, kl_beta=KL_BETA, first_epoch=1):
        pass
    return (time.process_time() - begin) / epochs


def plain_epoch(inputs: Inputs, weights: Mapping[str, Tensor], freeze: str, queries: int) -> float:
    """CPU seconds of a plain epoch, from its first ``queries`` steps."""
    task, reader = inputs
    rollouts = task.record_rollouts("train", reader)
    begin = time.process_time()
    plain_grpo_epoch(
        weights,
        embeddings=task.embeddings,
        rollouts=rollouts,
        rewards=reward_of(rollouts, grpo_spec(freeze, 1, 1)),
        order=list(range(queries)),
        lr=LR,
        kl_beta=KL_BETA,
        freeze=freeze,
    )
    return (time.process_time() - begin) * len(rollouts.queries) / queries


def epoch_rows(folder: Path, *, repeat: int, steps: int) -> list[tuple[str, ...]]:
    """Ours against plain, and batches of 32 against single queries."""
    inputs = open_inputs(files_spec(*write_lab_data(folder)), "cpu")
    task, reader = inputs
    weights = PointerSelector(width=task.embeddings.shape[1], hidden_dim=HIDDEN).state_dict()
    queries = len(task.record_rollouts("train", reader).queries)
    sides: dict[str, Callable[[], float]] = {
        "plain, all": lambda: plain_epoch(inputs, weights, "none", steps),
        "ours, all": lambda: our_epoch(inputs, weights, "none", 1),
        "ours, all, 32": lambda: our_epoch(inputs, weights, "none", 32),
        "plain, frozen": lambda: plain_epoch(inputs, weights, "backbone", steps),
        "ours, frozen": lambda: our_epoch(inputs, weights, "backbone", 1),
        "ours, frozen, 32": lambda: our_epoch(inputs, weights, "backbone", 32),
    }
    turns = [{name: side() for name, side in sides.items()} for _ in range(repeat)]
    ms = {name: statistics.median(turn[name] for turn in turns) / queries * 1e3 for name in sides}

    def row(what: str, ours: str, theirs: str, bound: int) -> tuple[str, ...]:
        ratio = statistics.median(turn[theirs] / turn[ours] for turn in turns)
        name = f"`{theirs}` {ms[theirs]:.2f} ms a query"
        return what, f"{ms[ours]:.2f} ms a query", name, f"{ratio:.1f}", f">= {bound}"

    return [
        row("GRPO epoch, batch 1, all parameters", "ours, all", "plain, all", 15),
        row("GRPO epoch, batch 1, projections frozen", "ours, frozen", "plain, frozen", 25),
        row("GRPO epoch, batch 32, all parameters", "ours, all, 32", "ours, all", 3),
        row("GRPO epoch, batch 32, projections frozen", "ours, frozen, 32", "ours, frozen", 3),
    ]


def measured(command: str, *arguments: str) -> dict[str, Any]:
    """Run a part of this program by itself; it prints what it measured."""
    done = subprocess.run(
        [sys.executable, __file__, "--part", command, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def large_epoch(data: str, embeddings: str) -> dict[str, float]:
    """Resident memory of GRPO steps on a large data set, loading included."""
    inputs = open_inputs(files_spec(Path(data), Path(embeddings)), "cpu")
    task, reader = inputs
    weights = PointerSelector(width=task.embeddings.shape[1], hidden_dim=HIDDEN).state_dict()
    our_epoch(inputs, weights, "none", 1024, epochs=1)
    return {"gib": resident(), "queries": len(task.record_rollouts("train", reader).queries)}


def load(data: str, embeddings: str) -> dict[str, float]:
    """Seconds and memory to open a task's rollouts."""
    from trainer.tasks.files.rl_data import RolloutOptions, read_rollouts

    begin = time.perf_counter()
    file = read_rollouts(Path(data), options=RolloutOptions())
    assert Path(embeddings).exists(), "written beside it"
    taken = time.perf_counter() - begin
    return {"seconds": taken, "gib": resident(), "rollouts": len(file.pointers)}


def resident() -> float:
    """Largest resident memory of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def memory_rows(folder: Path, *, scale: float) -> list[tuple[str, ...]]:
    """Large data: memory of training, first and later loads of a large JSON."""
    queries = round(100_000 * scale)
    paths = write_lab_data(
        folder / "many", queries=queries, rollouts=(2, 4), rows=queries, width=768
    )
    trained = measured("large_epoch", *map(str, paths))
    size = round(BIG_JSON * scale)
    count = round(20_000 * scale)
    paths = write_lab_data(folder / "long", queries=count, rows=count, width=8, padding=1600)
    first, later = measured("load", *map(str, paths)), measured("load", *map(str, paths))
    written = paths[0].stat().st_size / size
    return [
        (
            f"memory, {queries:,} queries x 64 x 768",
            f"{trained['gib']:.2f} GiB",
            f"all pools gathered: {queries * 64 * 768 * 4 / GIB:.1f} GiB",
            "",
            "<= 4 GiB",
        ),
        (
            f"first load of {written * scale:.2f} GB JSON",
            f"{first['seconds']:.1f} s, {first['gib']:.2f} GiB",
            "",
            "",
            "<= 60 s, 3 GiB",
        ),
        ("later load", f"{later['seconds']:.2f} s", "", "", "<= 1 s"),
    ]


def main() -> None:
    """Print the table, or one part's figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, no repeats")
    parser.add_argument("--part", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part:
        part = {"large_epoch": large_epoch, "load": load}[options.part[0]]
        print(json.dumps(part(*options.part[1:])))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = epoch_rows(
            Path(folder), repeat=1 if options.quick else 5, steps=20 if options.quick else 64
        )
        rows += memory_rows(Path(folder), scale=0.1 if options.quick else 1.0)
    print("| what | trainer | beside it | ratio | bound |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
