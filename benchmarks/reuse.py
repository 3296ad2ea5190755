"""What is not trained and not asked again: counts and ratios from real runs, side by side.

    python benchmarks/reuse.py [grid | again | answers | store]      all four take about 15 minutes

grid     216 settings (3 lr x 3 kl_beta x 3 freeze modes x 1-8 epochs) as one study, and 24 of them
         each with stages of its own; both on the same slots, the latter without MLflow or Optuna
again    `kl_lr.yaml`, then the same study under another name
answers  reader calls of evaluations where every call is charged 20 ms (counted, not slept)
store    look-ups in a million answers, beside SQLite asked for one key at a time
"""

import contextlib
import filecmp
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sweeper.launchers.jobs import JobRequest
from sweeper.launchers.local import open_local
from sweeper.outcomes import Calls, Check, Result, read_result, total_calls
from sweeper.records import TrialRecord
from sweeper.space import settings
from sweeper.store.reading import read_study
from sweeper.store.trial_folder import prepare_job
from sweeper.store.workspace import Workspace
from sweeper.study.config import StudyConfig, training_of
from sweeper.trainers import Surroundings
from sweeper.trainers.builtin.training import RUN, SERVE
from sweeper.words import calls_text
from trainer.answers import Answer
from trainer.answers.file import AnswerFile
from trainer.answers.rows import row_keys

STUDIES = Path(__file__).parents[1] / "studies"
GRID = """\
name: grid
trainer:
  task: {name: easy_vqa, training_queries: 400}
  phases:
    - rce: {epochs: 5, lr: 1e-3}
    - grpo: {lr: "${lr}", kl_beta: "${kl_beta}", epochs: "${epochs}", freeze: "${freeze}"}
parameters:
  lr: {values: [1e-4, 1e-3, 5e-3]}
  kl_beta: {values: [0.01, 0.05, 0.15]}
  freeze: {values: [backbone, none, projections]}
  epochs: {min: 1, max: 8, fidelity: true}
sampler: {name: grid}
trials: 216
"""
ALONE = 24  # settings of the grid that are also trained on their own
CHARGE = 0.020  # seconds a reader call
ANSWERS, BATCH, WRITERS = 1_000_000, 1000, 4


def main(chosen: Sequence[str]) -> None:
    """Run the parts that are named, or all."""
    parts = {"grid": grid, "again": again, "answers": answers, "store": store}
    for name in chosen or parts:
        with tempfile.TemporaryDirectory() as folder:
            parts[name](Path(folder))


def run(study: Path, workspace: Path) -> float:
    """Run a study through the command; seconds."""
    sweeper = str(Path(sys.executable).with_name("sweeper"))
    start = time.perf_counter()
    command = [sweeper, "--workspace", str(workspace), "run", str(study)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def proposals(workspace: Path, study: str) -> tuple[StudyConfig, list[TrialRecord]]:
    """The study and its trials, without the shorter trainings on their way."""
    config, records = read_study(Workspace(workspace).study(study))
    return config, [record for record in records if record.prefix is None]


def epochs_trained(workspace: Path, study: str) -> int:
    """Epochs that were trained for controls and trials."""
    controls = read_result(Workspace(workspace).study(study).controls)
    assert isinstance(controls, Check), "the study has run"
    trials = proposals(workspace, study)[1]
    return controls.epochs_trained + sum(r.notes.epochs_trained or 0 for r in trials)


def grid(workspace: Path) -> None:
    """One study of 216 settings, against settings on their own."""
    study = workspace / "grid.yaml"
    study.write_text(GRID)
    shared = run(study, workspace)
    trained = epochs_trained(workspace, "grid")
    config, records = proposals(workspace, "grid")
    every = list(settings(config.space))
    chosen = every[:: len(every) // ALONE]
    folders = [workspace / "alone" / str(index) for index in range(len(chosen))]
    for folder, setting in zip(folders, chosen, strict=True):
        where = Surroundings(stages=Path("stages"))
        prepare_job(folder, training_of(config, setting).job(where))
    alone = on_slots(folders, workspace) * len(every) / len(chosen)
    stages = Workspace(workspace).stages
    equal = 0
    for folder, setting in zip(folders, chosen, strict=True):
        record = next(r for r in records if r.params == setting)
        result = read_result(folder)
        assert isinstance(result, Result), f"{folder} was trained"
        own, common = folder / "stages" / result.stage, stages / (record.notes.stage or "")
        same = all(
            filecmp.cmp(own / name, common / name, shallow=False)
            for name in ("policy.safetensors", "optimizer.safetensors", "stage.json")
        )
        equal += same and result.score == record.score
    total = sum(5 + int(setting["epochs"]) for setting in every)
    bound = 27 * 8 + 5
    print("| what | shared | each on its own | ratio | bound |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| epochs, 216 settings | {trained} | {total} | {trained / total:.2f} | <= {bound} |")
    print(
        f"| wall time | {shared:.0f} s | {alone:.0f} s, from {len(chosen)} settings "
        f"| {shared / alone:.2f} | <= 0.25 |"
    )
    print(f"| settings bit-equal | {equal} of {len(chosen)} | | | all |\n")


def on_slots(folders: Sequence[Path], workspace: Path) -> float:
    """Work through trial folders on all slots of this machine, by warm workers; seconds."""
    with contextlib.closing(open_local(devices="cpu", log_folder=workspace / "logs")) as launcher:
        start = time.perf_counter()
        requests = [JobRequest(folder=folder, argv=RUN, worker=SERVE) for folder in folders]
        open_jobs = {launcher.submit(request) for request in requests}
        while open_jobs:
            reports = launcher.poll(open_jobs, timeout=1.0)
            open_jobs -= {job for job, report in reports.items() if report.status.is_terminal}
        return time.perf_counter() - start


def again(workspace: Path) -> None:
    """A study, and the same under another name."""
    first = run(STUDIES / "kl_lr.yaml", workspace)
    text = (STUDIES / "kl_lr.yaml").read_text()
    study = workspace / "again.yaml"
    study.write_text(text.replace("name: kl_lr", "name: again"))
    second = run(study, workspace)
    told = [
        [(r.number, dict(r.params), r.score) for r in proposals(workspace, name)[1]]
        for name in ("kl_lr", "again")
    ]
    asked = Workspace(workspace).study("again").read_state()["reader_calls"]["asked"]
    print("| what | `kl_lr` again | first time | ratio | bound |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| wall time | {second:.1f} s | {first:.1f} s | {second / first:.2f} | < 15 s |")
    print(f"| epochs trained | {epochs_trained(workspace, 'again')} | "
          f"{epochs_trained(workspace, 'kl_lr')} | | 0 |")  # fmt: skip
    print(f"| answers asked | {asked} | | | 0 |")
    print(f"| same trials and values | {told[0] == told[1]} | | | |\n")


def answers(workspace: Path) -> None:
    """Evaluation answers asked, against trials on their own."""
    print("| study, recorded rollouts | asked | on their own | share | bound | saved by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, bound in (("kl_lr", 0.20), ("seed_grid", 0.25)):
        root = workspace / name
        root.mkdir()
        study = root / f"{name}.yaml"
        study.write_text(charged((STUDIES / f"{name}.yaml").read_text()))
        run(study, root)
        trials = proposals(root, name)[1]
        calls = total_calls(record.notes.calls or Calls() for record in trials)
        share = calls.asked / calls.needed
        hours = [count * CHARGE / 3600 for count in (calls.asked, calls.needed)]
        print(
            f"| `{name}` | {calls.asked:,} ({hours[0]:.1f} h) | {calls.needed:,} "
            f"({hours[1]:.1f} h) | {share:.1%} | {bound:.0%} | {calls_text(calls)} |"
        )
    print()


def charged(text: str) -> str:
    """The study with recorded rollouts, its answers kept as those of a dear reader would be."""
    text = text.replace("evaluate: {", "evaluate: {remember: always, ")
    return text.replace("grpo: {", "grpo: {rollouts: recorded, ")


def store(workspace: Path) -> None:
    """A million answers: size, look-ups, four writers at once."""
    path = workspace / "answers.db"
    generator = np.random.default_rng(0)
    prompts = np.column_stack(
        [np.arange(ANSWERS) % 800, generator.integers(0, 2400, (ANSWERS, 4))]
    ).astype(np.int64)
    filled = AnswerFile(path)
    for part in batches(prompts):
        filled.add("reader", part, [Answer(1.0, 0.5)] * len(part))
    megabytes = path.stat().st_size / 1e6
    asked = [prompts[generator.integers(0, ANSWERS, BATCH)] for _ in range(200)]
    seconds = min(timed(filled, asked) for _ in range(10))
    single = one_at_a_time(path, [row_keys(1, part) for part in asked[:20]])
    rate, bare = 200 * BATCH / seconds, 20 * BATCH / single
    failures = write_at_once(path)
    print("| what | store | one key at a time | ratio | bound |")
    print("| --- | --- | --- | --- | --- |")
    print(f"| look-ups a second | {rate:,.0f} | {bare:,.0f} | {rate / bare:.1f} | >= 200,000 |")
    print(f"| size of {len(filled):,} answers | {megabytes:.0f} MB | | | < 250 MB |")
    print(f"| {WRITERS} writers at once, errors | {failures} | | | 0 |\n")


def batches(prompts: Any) -> Iterator[Any]:
    """Parts of one look-up each."""
    return (prompts[begin : begin + 50_000] for begin in range(0, len(prompts), 50_000))


def timed(filled: AnswerFile, asked: Sequence[Any]) -> float:
    """Seconds for all look-ups."""
    start = time.perf_counter()
    for part in asked:
        found = filled.look_up("reader", part)
        assert None not in found
    return time.perf_counter() - start


def one_at_a_time(path: Path, asked: Sequence[Sequence[bytes]]) -> float:
    """Seconds for the plain query, a key each."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        start = time.perf_counter()
        for key in (key for part in asked for key in part):
            connection.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
        return time.perf_counter() - start


def write_at_once(path: Path) -> int:
    """Let several connections add answers at the same time; how many failed."""
    failures = []

    def write(own: int) -> None:
        try:
            mine = AnswerFile(path)
            for batch in range(20):
                rows = [[10_000 + own, batch, shot] for shot in range(256)]
                mine.add("reader", np.array(rows), [Answer(0.0, 0.5)] * 256)
            mine.close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(own,)) for own in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(failures)


if __name__ == "__main__":
    main(sys.argv[1:])
