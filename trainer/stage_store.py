"""Stages on disk: content-addressed folders, written whole or not at all, verified when read.

    <stages>/<key>/policy.safetensors      weights
                   optimizer.safetensors   AdamW's moments and step counts, by tensor
                   stage.json              adaptive values, the epoch's metrics, checksums
    <stages>/evaluations/<key>.safetensors   scores and shots of one stage; may outlive it

Two runs of one spec write the same bytes: no time, no host, no path goes into a stage. What is
damaged is set aside under another name, said, and made again. Knows no spec and no task.
"""

import contextlib
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_from_bytes
from safetensors.torch import save as bytes_of_tensors
from torch import Tensor

from trainer.contract import FORMAT, checked_format, free_name, sync_folder
from trainer.errors import StageError
from trainer.policy.policy import PointerSelector

INFO, POLICY, OPTIMIZER, EVALUATIONS, CHECKSUM = (
    "stage.json",
    "policy.safetensors",
    "optimizer.safetensors",
    "evaluations",
    "sha256",  # a tensor of 32 bytes beside the others of an evaluation
)

STAGE_FORMAT = EVALUATION_FORMAT = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage holds: tensors by file, and facts that are JSON."""

    tensors: Mapping[str, Mapping[str, Tensor]]
    info: Mapping[str, Any]


class StageStore:
    """The folder of all stages of a workspace, shared by drivers and workers."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, key: str) -> Path:
        """Where the stage of ``key`` is, or would be."""
        return self.root / key

    def write(
        self, key: str, tensors: Mapping[str, Mapping[str, Tensor]], info: Mapping[str, Any]
    ) -> None:
        """Write a stage; when another process was quicker, keep the other's, which is equal."""
        part = self.root / f".{key}.{secrets.token_hex(4)}.part"
        part.mkdir(parents=True)
        try:
            _write_files(part, tensors, info)
            try:
                part.rename(self.folder(key))  # atomic; fails where a whole stage stands already
            except OSError:
                if not (self.folder(key) / INFO).exists():
                    raise
            sync_folder(self.root)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # of a disk that is full, or the other's equal

    def read(self, key: str) -> Stage | None:
        """Read and verify a stage; None where it is missing, or was damaged and is set aside."""
        folder = self.folder(key)
        if not folder.exists():
            return None
        try:
            return read_stage(folder)
        except StageError as damage:
            aside = free_name(self.root / f"{key}.damaged")
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                folder.rename(aside)
                log.warning("%s: set aside as %s and made again", damage, aside.name)
            return None

    def write_evaluation(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Write scores, in place of those of fewer questions."""
        folder = self.root / EVALUATIONS
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{key}.{secrets.token_hex(4)}.part"
        checksum = torch.frombuffer(bytearray(_checksum(tensors)), dtype=torch.uint8)
        content = _bytes_of({**tensors, CHECKSUM: checksum}, number=EVALUATION_FORMAT)
        try:
            _write_synced(part, content)
            part.replace(folder / f"{key}.safetensors")
            sync_folder(folder)
        finally:
            part.unlink(missing_ok=True)  # of a disk that is full

    def read_evaluation(self, key: str) -> Mapping[str, Tensor] | None:
        """The scores of ``write_evaluation``; None where they are missing, or were damaged and are
        set aside.
        """
        path = self.root / EVALUATIONS / f"{key}.safetensors"
        try:
            content = path.read_bytes()
            checked_format(_metadata(content), newest=EVALUATION_FORMAT, where=path)
            tensors = tensors_from_bytes(content)
            if bytes(tensors.pop(CHECKSUM).tolist()) == _checksum(tensors):
                return tensors
            damage = "it does not match its checksum"
        except FileNotFoundError:
            return None
        except (SafetensorError, KeyError, ValueError, AttributeError) as error:
            damage = repr(error)
        aside = free_name(path.with_suffix(".damaged"))
        with contextlib.suppress(FileNotFoundError):  # another process was quicker
            path.rename(aside)
            log.warning("%s: %s: set aside as %s, scored again", path, damage, aside.name)
        return None


def load_policy(folder: Path, *, num_heads: int, device: str) -> PointerSelector:
    """Load a stage's weights as every consumer does: strictly, in evaluation mode.

    Raises:
        StageError: where the file is missing or damaged.
        InputError: where its tensors are not those of a pointer selector; it names them.
    """
    policy = PointerSelector.from_state_dict(
        read_stage(folder).tensors[POLICY], num_heads=num_heads
    )
    return policy.to(device).eval()


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[torch.nn.Parameter, str]
) -> dict[str, Tensor]:
    """AdamW's state as flat tensors, `<field>/<tensor>`; empty before the first step."""
    return {
        f"{field}/{name}": value
        for parameter, name in names.items()
        for field, value in optimizer.state.get(parameter, {}).items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    parameters: Mapping[str, torch.nn.Parameter],
) -> None:
    """Put back what ``optimizer_tensors`` took out, so that training goes on bit for bit."""
    for name, value in tensors.items():
        field, _, parameter = name.partition("/")
        target = parameters[parameter]
        optimizer.state[target][field] = value.to(target.device).clone()  # fused: steps too


def _bytes_of(tensors: Mapping[str, Tensor], *, number: int | None = None) -> bytes:
    """The tensors as a safetensors file, with the number of its format where one is given."""
    # clones, because safetensors refuses tensors that share memory
    return bytes_of_tensors(
        {
            n: t.detach().cpu().clone(memory_format=torch.contiguous_format)
            for n, t in tensors.items()
        },
        metadata=None if number is None else {FORMAT: str(number)},
    )


def _metadata(content: bytes) -> dict[str, Any]:
    """The metadata of a safetensors file: its header is JSON, after eight bytes with its length."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    return {FORMAT: int(metadata[FORMAT])} if FORMAT in metadata else {}


def _checksum(tensors: Mapping[str, Tensor]) -> bytes:
    return hashlib.sha256(_bytes_of(dict(sorted(tensors.items())))).digest()


def _write_files(
    folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], info: Mapping[str, Any]
) -> None:
    checksums = {}
    for name, group in sorted(tensors.items()):
        content = _bytes_of(group)
        checksums[name] = hashlib.sha256(content).hexdigest()
        _write_synced(folder / name, content)
    content_of_info = {**info, FORMAT: STAGE_FORMAT, "files": checksums}
    text = json.dumps(content_of_info, indent=1, sort_keys=True, allow_nan=False)
    _write_synced(folder / INFO, text.encode())
    sync_folder(folder)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_stage(folder: Path) -> Stage:
    """Read the stage in ``folder`` and verify its checksums.

    Raises:
        StageError: where a file is missing or damaged.
        FormatError: where a later version wrote it.
    """
    try:
        info = json.loads((folder / INFO).read_text())
        checked_format(info, newest=STAGE_FORMAT, where=folder / INFO)
        tensors = {}
        for name, checksum in info["files"].items():
            content = (folder / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != checksum:
                raise StageError(f"stage {folder.name}: {name} does not match its checksum")
            tensors[name] = tensors_from_bytes(content)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StageError(f"stage {folder.name} is damaged: {error!r}") from error
    except SafetensorError as error:
        raise StageError(f"stage {folder.name} is damaged: {error!r}") from error
    return Stage(tensors, info)
