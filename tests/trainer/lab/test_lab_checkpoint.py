"""The lab's checkpoints: what is written, what is read, what is refused, and that nothing runs."""

import contextlib
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from fakes.float32 import rounding
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from trainer.contract import TrainSpec
from trainer.errors import InputError, StageError
from trainer.inert_pickle import load_inert
from trainer.jobs.start import read_start
from trainer.lab.checkpoint import SELECTOR, read_checkpoint
from trainer.lab.export import EQUAL_LOGITS, prove, write_lab_checkpoints
from trainer.policy.policy import PointerSelector

D, H = 512, 256
SHAPES = {  # of the lab's checkpoints
    "input_proj.weight": (H, D),
    "query_proj.weight": (H, H),
    "cand_proj.weight": (H, H),
    "cross_attn_layers.0.in_proj_weight": (3 * H, H),
    "cross_attn_layers.0.in_proj_bias": (3 * H,),
    "cross_attn_layers.0.out_proj.weight": (H, H),
    "cross_attn_layers.0.out_proj.bias": (H,),
    "attn_norms.0.weight": (H,),
    "attn_norms.0.bias": (H,),
}
GATE = {"query_update_gate.weight": (H, 2 * H), "query_update_gate.bias": (H,)}


def policy(variant: str = "static", *, width: int = 12, hidden: int = 8) -> PointerSelector:
    made = PointerSelector(width=width, hidden_dim=hidden, variant=variant)  # type: ignore[arg-type]
    made.initialise(5)
    return made.eval()


def write(folder: Path, chosen: PointerSelector, **changes: Any) -> list[Path]:
    told: dict[str, Any] = {
        "epoch": 3, "phase": "grpo", "kl_beta": 0.1, "metrics": {"loss": 0.5}, "num_heads": 1,
    }  # fmt: skip
    return write_lab_checkpoints(folder, chosen.state_dict(), **{**told, **changes})


@pytest.mark.parametrize(("variant", "parameters"), [("static", 525_824), ("gated", 657_152)])
def test_both_files_have_exactly_the_names_and_shapes_of_the_lab(
    variant: str, parameters: int, tmp_path: Path
) -> None:
    chosen = policy(variant, width=D, hidden=H)
    pt, ckpt = write(tmp_path, chosen)
    assert (pt.name, ckpt.name) == ("grpo_epoch3.pt", "grpo_epoch3_v2format.ckpt")
    content = torch.load(pt, weights_only=True)
    shapes = {name: tuple(tensor.shape) for name, tensor in content.pop("model_state_dict").items()}
    assert shapes == SHAPES | (GATE if variant == "gated" else {})
    assert sum(np.prod(shape) for shape in shapes.values()) == parameters
    assert content == {"epoch": 2, "phase": "grpo", "kl_beta": 0.1, "metrics": {"loss": 0.5}}
    lightning = torch.load(ckpt, weights_only=True)["state_dict"]
    assert {name: tuple(tensor.shape) for name, tensor in lightning.items()} == {
        f"lever_lm.pointer_selector.{name}": shape for name, shape in (SHAPES | GATE).items()
    }


@pytest.mark.parametrize("variant", ["static", "gated"])
@pytest.mark.parametrize("sizes", [(12, 8), (8, 8)])
def test_the_inference_form_loads_into_a_gated_policy_with_equal_logits(
    variant: str, sizes: tuple[int, int], tmp_path: Path
) -> None:
    chosen = policy(variant, width=sizes[0], hidden=sizes[1])
    gated = policy("gated", width=sizes[0], hidden=sizes[1])
    _, ckpt = write(tmp_path, chosen)
    named = torch.load(ckpt, weights_only=True)["state_dict"]
    missing, unexpected = gated.load_state_dict(
        {name.removeprefix(SELECTOR): tensor for name, tensor in named.items()}, strict=True
    )
    assert not missing
    assert not unexpected
    assert prove(ckpt, chosen) < rounding(256, steps=2) < EQUAL_LOGITS


def test_a_file_that_is_not_the_policy_is_not_left_behind(tmp_path: Path) -> None:
    _, ckpt = write(tmp_path, policy())
    with pytest.raises(StageError, match="gives other logits"):
        prove(ckpt, PointerSelector(width=12, hidden_dim=8))


def test_what_the_form_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    layers = PointerSelector(width=12, hidden_dim=8, num_layers=2)
    heads = PointerSelector(width=12, hidden_dim=8, num_heads=2)
    with pytest.raises(InputError, match="holds one layer of cross-attention, the policy 2"):
        write(tmp_path / "out", layers)
    with pytest.raises(InputError, match="assumes 1, the policy has 2"):
        write(tmp_path / "out", heads, num_heads=2)
    assert not (tmp_path / "out").exists()


def forms(folder: Path, weights: dict[str, Tensor]) -> dict[str, Path]:
    """One set of weights in every form that the lab has."""
    older = {
        name.replace("cross_attn_layers.0.", "cross_attn.").replace(
            "attn_norms.0.", "attn_norm."
        ): t
        for name, t in weights.items()
    }
    contents = {
        "trainer": {"epoch": 2, "phase": "rce", "model_state_dict": weights, "kl_beta": 0.3},
        "bare": dict(weights),
        "lightning": {
            "state_dict": {
                **{f"lever_lm.{name}": tensor for name, tensor in older.items()},
                "img_encoder.weight": torch.zeros(3),
            },
            "hyper_parameters": {},
        },
    }
    paths = {form: folder / f"{form}.pt" for form in contents}
    for form, content in contents.items():
        torch.save(content, paths[form])
    save_file(weights, folder / "policy.safetensors")
    return {**paths, "safetensors": folder / "policy.safetensors"}


def test_every_form_gives_the_same_weights_and_digest(tmp_path: Path) -> None:
    weights = policy("gated").state_dict()
    read = {form: read_checkpoint(path) for form, path in forms(tmp_path, weights).items()}
    assert {form: checkpoint.form for form, checkpoint in read.items()} == {f: f for f in read}
    assert len({checkpoint.digest for checkpoint in read.values()}) == 1
    for checkpoint in read.values():
        assert checkpoint.weights.keys() == weights.keys()
    assert (read["trainer"].epoch, read["trainer"].phase, read["trainer"].kl_beta) == (
        3,
        "rce",
        0.3,
    )
    assert read["bare"].epoch is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query_proj.weight": None}, r"query_proj.weight is missing"),
        ({"attn_norms.0.bias": None}, r"attn_norms.0.bias is missing"),
        ({"surplus": torch.zeros(1)}, r"surplus is not known"),
        ({"cand_proj.weight": torch.zeros(8, 9)}, r"cand_proj.weight has shape \(8, 9\)"),
        (
            {"attn_norms.0.bias": torch.full((8,), torch.nan)},
            r"attn_norms.0.bias holds values that",
        ),
        ({"decoder_gru.weight_ih": torch.zeros(1)}, r"another model variant: it has decoder_gru"),
        ({"step_emb.weight": torch.zeros(1)}, r"another model variant: it has step_emb"),
        (
            {"cross_attn.in_proj_bias": torch.zeros(24)},
            r"has cross_attn_layers.0.in_proj_bias twice",
        ),
        ({"attn_norms.0.bias": "text"}, r"no tensors in the state dict: attn_norms.0.bias"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    weights = {**policy().state_dict(), **change}
    torch.save({n: t for n, t in weights.items() if t is not None}, tmp_path / "odd.pt")
    with pytest.raises(InputError, match=message) as error:
        read_checkpoint(tmp_path / "odd.pt")
    assert str(tmp_path / "odd.pt") in str(error.value)


def test_a_variant_that_the_file_names_is_refused_by_name(tmp_path: Path) -> None:
    content = {"model_state_dict": policy().state_dict(), "model_type": "gru_decoder"}
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(InputError, match="is of the model variant 'gru_decoder'"):
        read_checkpoint(tmp_path / "other.pt")


@pytest.fixture
def foreign() -> Any:
    """A module that pickles name and that is gone when they are read."""
    module = ModuleType("omegaconf_like")
    exec(
        "class DictConfig(dict):\n"
        "    def __init__(self, content, parent=None):\n"
        "        super().__init__(content); self.parent = parent\n"
        "    def __reduce__(self):\n"
        "        return (DictConfig, (dict(self),), {'parent': self.parent, '_flags': None})\n"
        "class Node:\n"
        "    __slots__ = ('value',)\n"
        "    def __getstate__(self): return {'value': 1}\n"
        "    def __setstate__(self, state): raise AssertionError('ran')\n",
        module.__dict__,
    )
    for name in ("DictConfig", "Node"):
        getattr(module, name).__module__ = module.__name__
    sys.modules[module.__name__] = module
    yield module
    sys.modules.pop(module.__name__, None)


@pytest.mark.parametrize("legacy", [False, True])
def test_foreign_objects_are_neither_imported_nor_in_the_way(
    legacy: bool, foreign: Any, tmp_path: Path
) -> None:
    weights = policy().state_dict()
    content = {
        "state_dict": OrderedDict({f"{SELECTOR}{name}": t for name, t in weights.items()}),
        "hyper_parameters": foreign.DictConfig({"cfg": foreign.Node(), "list": [foreign.Node()]}),
    }
    path = tmp_path / "lightning.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    del sys.modules[foreign.__name__]
    read = read_checkpoint(path)
    assert read.form == "lightning"
    assert all(torch.equal(read.weights[name], weights[name]) for name in weights)
    assert foreign.__name__ not in sys.modules


class Runs:
    """A pickle of it calls ``function`` when an ordinary unpickler reads it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


@pytest.mark.parametrize("function", [os.system, eval, exec])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_pickle_that_would_run_code_runs_nothing(
    function: Any, zipped: bool, tmp_path: Path
) -> None:
    trace = tmp_path / "ran"
    code = f"touch {trace}" if function is os.system else f"open({str(trace)!r}, 'w')"
    content = {"model_state_dict": policy().state_dict(), "metrics": Runs(function, code)}
    path = tmp_path / "evil.pt"
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps({"metrics": Runs(function, code)}))
    with contextlib.suppress(InputError):
        read_checkpoint(path)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Runs(function, code)))  # it would have
    assert trace.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickled_array_is_read(protocol: int, tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    (tmp_path / "array.pt").write_bytes(pickle.dumps(array, protocol=protocol))
    assert np.array_equal(load_inert(tmp_path / "array.pt"), array)
    torch.save(array, tmp_path / "saved.pt", pickle_protocol=protocol)
    assert np.array_equal(load_inert(tmp_path / "saved.pt"), array)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(226, 0, False)  # an embedding of no width
@given(st.integers(0, 10**6), st.integers(0, 255), st.booleans())
def test_a_damaged_checkpoint_is_read_whole_or_refused(
    tmp_path: Path, place: int, byte: int, cut: bool
) -> None:
    for path in forms(tmp_path, policy().state_dict()).values():
        content = bytearray(path.read_bytes())
        content[place % len(content)] = byte
        path.write_bytes(content[: place % len(content)] if cut else content)
        with contextlib.suppress(InputError):
            assert read_checkpoint(path).digest


def test_tensors_without_a_size_are_refused(tmp_path: Path) -> None:
    empty = {**policy().state_dict(), "input_proj.weight": torch.zeros(8, 0)}
    for path in forms(tmp_path, empty).values():
        with pytest.raises(InputError, match="tensors of no size: embeddings are 0 wide, H = 8"):
            read_checkpoint(path)


def test_a_start_must_fit_embeddings_and_the_sizes_that_are_given(tmp_path: Path) -> None:
    pt, _ = write(tmp_path, policy("gated"))
    spec = {"phases": [{"rce": {}}], "start": str(pt)}
    read = read_start(TrainSpec.model_validate(spec), width=12)
    assert read is not None
    assert read.epoch == 3
    with pytest.raises(InputError, match=r"takes embeddings 12 wide, the task's are 48 wide"):
        read_start(TrainSpec.model_validate(spec), width=48)
    wrong = {**spec, "policy": {"hidden_dim": 16, "variant": "static"}}
    told = r"policy.variant is static, the checkpoint has gated.*policy.hidden_dim is 16, .* has 8"
    with pytest.raises(InputError, match=told):
        read_start(TrainSpec.model_validate(wrong), width=12)
    with pytest.raises(InputError, match=r"num_heads 3"):
        read_start(
            TrainSpec.model_validate({**spec, "policy": {"hidden_dim": 9, "num_heads": 3}}),
            width=12,
        )
