"""Every file that a lab may have wrong has its message; no file at all gives a traceback."""

import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes.lab_files import write_embeddings, write_json, write_rl_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainer.contract import FilesSpec
from trainer.errors import InputError
from trainer.tasks.files import FilesTask
from trainer.tasks.files.embeddings import load_matrix
from trainer.tasks.files.pools import read_pools
from trainer.tasks.files.rl_data import RolloutOptions, check_ids, read_rollouts

QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
Change = Callable[[dict[str, Any]], None]


def first_entry(data: dict[str, Any]) -> dict[str, Any]:
    """The entry of query 15, which stands first in the file."""
    entry: dict[str, Any] = data["15"]
    return entry


def set_rollout(number: int, **fields: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        rollout = first_entry(data)["pointer_candidates"][number - 1]
        for key, value in fields.items():
            if value is None:
                rollout.pop(key)
            else:
                rollout[key] = value

    return change


def set_pool(ids: list[int]) -> Change:
    return lambda data: first_entry(data).update(candidate_pool_ids=ids)


def rename(data: dict[str, Any]) -> None:
    data["12-3"] = data.pop("15")


def mark(data: dict[str, Any]) -> None:
    first_entry(data)["_fix_failed"] = True


BAD = {
    "local index out of range": (
        set_rollout(2, pointer=[0, 8]),
        r"query 15: rollout 2: `pointer` 8 lies outside its pool of 8 candidates",
    ),
    "contradiction": (
        set_rollout(2, pointer_global=[39, 38]),
        r"query 15: rollout 2: `pointer_global` \d+ contradicts the pool, which has \d+",
    ),
    "mixed conventions": (
        set_rollout(3, pointer_global=None),
        r"query 15: mixes index conventions: rollout 1 has pointer_global, rollout 3 pointer",
    ),
    "lengths within a query": (
        set_rollout(2, pointer=[1, 2, 3]),
        r"query 15: rollout 2: `pointer` has 3 shots, rollout 1 has 2",
    ),
    "twice": (set_rollout(2, pointer=[3, 3]), r"rollout 2: `pointer` \[3, 3\] names a shot twice"),
    "pool over 64": (
        set_pool(list(range(65))),
        r"query 15: has a pool of 65 candidates; 64 at most",
    ),
    "pool id twice": (
        set_pool([1, 2, 3, 4, 5, 6, 7, 7]),
        r"query 15: `candidate_pool_ids` holds 7 twice",
    ),
    "NaN": (
        set_rollout(1, vqa_acc_score=float("nan")),
        r"query 15: rollout 1: `vqa_acc_score` must be finite, but is nan",
    ),
    "infinite": (
        set_rollout(1, vqa_rel_score=float("inf")),
        r"rollout 1: `vqa_rel_score` must be finite, but is inf",
    ),
    "text": (
        set_rollout(1, vqa_acc_score="0.3"),
        r"rollout 1: `vqa_acc_score` must be a number, but is '0.3'",
    ),
    "per cent": (
        set_rollout(1, vqa_acc_score=30.0),
        r"rollout 1: `vqa_acc_score` must be in \[0, 1\], but is 30.0",
    ),
    "no score": (set_rollout(2, vqa_correct=None), r"rollout 2: has no `vqa_correct`"),
    "no pointer": (
        set_rollout(2, pointer=None, pointer_global=None),
        r"rollout 2: has none of pointer_global, pointer_pos, pointer",
    ),
    "a text for a pointer": (
        set_rollout(2, pointer="01"),
        r"rollout 2: `pointer` must be a list of ids, but is '01'",
    ),
    "negative id": (
        set_rollout(2, pointer=[-1, 0]),
        r"rollout 2: `pointer`: -1 is no id: a whole number from 0 on",
    ),
    "key": (rename, r"query 12-3: a query's key must be its id, a whole number"),
    "marked": (mark, r"query 15: is marked `_fix_failed`"),
    "an entry that is a list": (
        lambda data: data.update({"15": []}),
        r"query 15: must be an object",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_entry_is_told_with_query_and_rollout_or_dropped_and_counted(
    name: str, tmp_path: Path
) -> None:
    change, message = BAD[name]
    data = write_rl_data(tmp_path / "rl.json")
    change(data)
    path = write_json(tmp_path / "rl.json", data)
    with pytest.raises(InputError, match=message) as error:
        read_rollouts(path, options=RolloutOptions())
    assert str(error.value).startswith(f"{path} has 1 bad entries")
    assert "on_bad: drop" in str(error.value)
    kept = read_rollouts(path, options=RolloutOptions(on_bad="drop"))
    assert 15 not in kept.queries.tolist()
    assert kept.dropped == {"queries that contradict themselves": 1}


def test_all_bad_entries_are_told_at_once(tmp_path: Path) -> None:
    data = write_rl_data(tmp_path / "rl.json")
    for key in ("3", "9"):
        data[key]["candidate_pool_ids"] = []
    with pytest.raises(InputError, match=r"has 2 bad entries:\n  query 9: .*\n  query 3: "):
        read_rollouts(write_json(tmp_path / "rl.json", data), options=RolloutOptions())


def test_another_number_of_shots_than_the_files_is_told(tmp_path: Path) -> None:
    data = write_rl_data(tmp_path / "rl.json")
    other = write_rl_data(tmp_path / "other.json", shots=3)
    data["6"] = other["6"]
    with pytest.raises(
        InputError, match=r"query 6: its rollouts have 3 shots, those of the file 2"
    ):
        read_rollouts(write_json(tmp_path / "rl.json", data), options=RolloutOptions())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"is empty; it must hold the RL data"),
        (" \n", r"is empty"),
        ("[]", r"needs an object `\{...\}` of queries, at character 0"),
        ('{"1": {"pointer_candidates": []}, "2": {"pointer', r"after 1 whole entries"),
        ('{"1": {}', r"needs `,` or `\}` after an entry"),
        ('{"1": {}} {}', r"something after the end"),
        ("{}", r"holds no query of use"),
        ('{"_meta": {}, "about": 1}', r"holds no query of use"),
        ('{"1": {"pointer_candidates": [{"pointer": [1, 2], "vqa_correct": 1, '
         '"vqa_acc_score": 1.0}]}}', r"dropped: 1 queries with fewer than two rollouts"),
        ('{"1": ' + "[" * 100_000, r"is nested too deeply|is not whole JSON"),
        ('{"1": {}, "1": {}}', r"query 1: stands in the file twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_rl_data_is_told_with_the_place(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "rl.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_rollouts(path, options=RolloutOptions())
    assert str(path) in str(error.value)


def test_bytes_that_are_no_text_and_a_file_that_is_missing_are_told(tmp_path: Path) -> None:
    (tmp_path / "rl.json").write_bytes(b'{"1": "\xff"}')
    with pytest.raises(InputError, match="is not text in UTF-8"):
        read_rollouts(tmp_path / "rl.json", options=RolloutOptions())
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_rollouts(tmp_path / "none.json", options=RolloutOptions())


def test_an_id_beyond_the_matrix_is_told(tmp_path: Path) -> None:
    write_rl_data(tmp_path / "rl.json")
    file = read_rollouts(tmp_path / "rl.json", options=RolloutOptions())
    check_ids(file, 40, "rl.json")
    with pytest.raises(InputError, match=r"rl.json: query \d+: id \d+ lies beyond the 20 rows"):
        check_ids(file, 20, "rl.json")
    with pytest.raises(InputError, match=r"query 15: id 15 lies beyond the 1[0-5] rows|query"):
        check_ids(file, 15, "rl.json")


def test_an_older_file_whose_scores_nobody_explains_is_refused(tmp_path: Path) -> None:
    data = write_rl_data(tmp_path / "old.json", form="id_list")
    told = read_rollouts(tmp_path / "old.json", options=RolloutOptions())
    assert told.score is not None
    assert told.kinds == {"id_list": 6}
    del data["_meta"]
    path = write_json(tmp_path / "silent.json", data)
    with pytest.raises(InputError, match="set `old_scores: higher_is_better` or `lower_is_better`"):
        read_rollouts(path, options=RolloutOptions())
    lower = read_rollouts(path, options=RolloutOptions(old_scores="lower_is_better"))
    assert lower.score is not None
    assert torch.equal(lower.score, -told.score)


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_embeddings_are_read_and_what_is_no_number_is_told_by_row(
    suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"embeddings{suffix}"
    written = write_embeddings(path)
    assert np.array_equal(load_matrix(path).numpy(), written)
    written[7, 3] = np.nan
    broken = tmp_path / f"broken{suffix}"
    np.save(broken, written) if suffix == ".npy" else torch.save(torch.tensor(written), broken)
    with pytest.raises(InputError, match=r"row 7 holds a number that is not finite"):
        load_matrix(broken)


def test_what_is_no_matrix_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "vector.npy", np.zeros(3, dtype=np.float32))
    np.save(tmp_path / "ids.npy", np.zeros((3, 2), dtype=np.int64))
    np.save(tmp_path / "empty.npy", np.zeros((0, 2), dtype=np.float32))
    (tmp_path / "nothing.npy").touch()
    (tmp_path / "nothing.pt").touch()
    (tmp_path / "table.csv").write_text("1,2")
    for name, message in {
        "vector.npy": r"must hold a matrix of floats \(N, D\), but holds",
        "ids.npy": r"must hold a matrix of floats",
        "empty.npy": r"holds an empty matrix",
        "nothing.npy": r"is damaged|cannot be read",
        "nothing.pt": r"is empty",
        "table.csv": r"embeddings are .pt, .npy or .safetensors",
        "none.npy": r"cannot be read",
    }.items():
        with pytest.raises(InputError, match=message):
            load_matrix(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"1": [1, 2, 2]}, "query 1: its pool names a candidate twice"),
        ({"1": [1, 40]}, "query 1: 40 is none of the 40 rows"),
        ({"1": []}, "query 1: a pool must be a list of ids"),
        ({"one": [1]}, "query 'one': the key must be the query's id"),
        ({"1": list(range(66))}, "query 1: 40 is none|65 candidates"),
        ({}, "holds no pool"),
    ],
)
def test_bad_pools_are_told(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_pools(write_json(tmp_path / "pools.json", content), rows=40)


def test_embeddings_of_another_width_are_refused(tmp_path: Path) -> None:
    write_rl_data(tmp_path / "rl.json")
    write_embeddings(tmp_path / "train.npy")
    write_embeddings(tmp_path / "evaluate.npy", width=16)
    spec = FilesSpec.model_validate(
        {
            "name": "files",
            "rollouts": "rl.json",
            "embeddings": {"train": "train.npy", "evaluate": "evaluate.npy"},
        }
    )
    with pytest.raises(InputError, match=r"is 16 wide, .* is 12 wide; both must come from one"):
        FilesTask(spec.below(tmp_path))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["1", "2", "pointer", "_meta", "id_list", "x"]), inner)
    ),
    max_leaves=12,
)


@QUIET
@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_odd_file_gives_a_traceback(tmp_path: Path, content: bytes) -> None:
    for name in ("odd.json", "odd.npy", "odd.pt", "odd.safetensors"):
        (tmp_path / name).write_bytes(content)
    for read in (
        lambda: read_rollouts(tmp_path / "odd.json", options=RolloutOptions(on_bad="drop")),
        lambda: read_pools(tmp_path / "odd.json", rows=40),
        lambda: load_matrix(tmp_path / "odd.npy"),
        lambda: load_matrix(tmp_path / "odd.pt"),
        lambda: load_matrix(tmp_path / "odd.safetensors"),
    ):
        with contextlib.suppress(InputError):
            read()


@QUIET
@given(st.data())
def test_a_file_with_one_value_changed_is_read_whole_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = copy.deepcopy(write_rl_data(tmp_path / "rl.json", queries=3))
    entry = content[data.draw(st.sampled_from(["0", "3", "6"]))]
    rollout = data.draw(st.sampled_from(entry["pointer_candidates"]))
    place = data.draw(st.sampled_from([entry, rollout]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    path = write_json(tmp_path / "changed.json", content)
    try:
        file = read_rollouts(path, options=RolloutOptions(on_bad="drop"))
    except InputError:
        return
    sizes = file.pool_sizes.repeat_interleave(file.offsets.diff())
    assert (file.offsets.diff() >= 2).all()
    assert ((file.pointers >= 0) & (file.pointers < sizes[:, None])).all()
    for field in (file.hard, file.soft, file.gt_prob, file.rel):
        assert field.isfinite().all()
