"""A grid whose judge is down for a while is whole once that is mended."""

import json
from itertools import product
from pathlib import Path

from fakes.run_fake_study import Done, run_here

from sweeper.records import TrialState
from sweeper.store.reading import read_study
from sweeper.store.workspace import Workspace

STUDY = """\
name: grid
trainer:
  policy: {hidden_dim: 16}
  phases: [{rce: {epochs: 1, lr: "${lr}", batch_size: "${batch}"}}]
  evaluate:
    command: [python, judge.py, "{checkpoint}"]
    checkpoint_format: safetensors
parameters:
  lr: {values: [1e-3, 3e-3, 1e-2]}
  batch: {values: [8, 16]}
sampler: {name: grid}
trials: TRIALS
"""
JUDGE = """\
import hashlib, json, pathlib, sys
if pathlib.Path(__file__).with_name("down").exists():
    sys.exit("the scoring server does not answer")
content = pathlib.Path(sys.argv[1]).read_bytes()
score = int.from_bytes(hashlib.sha256(content).digest()[:4], "big") / 2**32  # each has its own
print(json.dumps({str(shots): score for shots in (1, 2, 3, 4)}))
"""


def run(study: Path, *, trials: int) -> Done:
    study.write_text(STUDY.replace("TRIALS", str(trials)))
    return run_here(study, slots=1, options=("--trainer=toy_trainer.py",))


def test_a_grid_whose_judge_was_down_is_whole_once_it_is_mended(
    tmp_path: Path, database: Path
) -> None:
    study = database.parent / "grid.yaml"
    (study.parent / "judge.py").write_text(JUDGE)
    assert run(study, trials=1).returncode == 0
    (study.parent / "down").touch()
    halted = run(study, trials=6)
    assert halted.returncode == 1
    assert "trials 1, 2, 3 failed alike (judge)" in halted.stderr
    assert "the scoring server does not answer" in halted.stderr
    folder = Workspace(study.parent).study("grid")
    _, records = read_study(folder)
    assert {r.number: r.state for r in records} == {
        0: TrialState.COMPLETE,
        **dict.fromkeys((1, 2, 3), TrialState.RUNNING),
    }
    trained = {n: (folder.trial(n) / "trained.txt").read_bytes() for n in (1, 2, 3)}
    (study.parent / "down").unlink()
    mended = run(study, trials=6)
    assert mended.returncode == 0, mended.stderr
    _, records = read_study(folder)
    assert [r.state for r in records] == [TrialState.COMPLETE] * 6
    settings = sorted((r.values["lr"], r.values["batch"]) for r in records)
    assert settings == sorted(product((1e-3, 3e-3, 1e-2), (8, 16)))
    assert len({r.score for r in records}) == 6
    for number, keys in trained.items():  # what was trained was scored as it was
        assert (folder.trial(number) / "trained.txt").read_bytes() == keys
        [line] = (folder.trial(number) / "metrics.jsonl").read_text().splitlines()
        assert json.loads(line)["metrics"]["score"] == records[number].score
