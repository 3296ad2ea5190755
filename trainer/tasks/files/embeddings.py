"""Embedding matrices from files: mapped where their form allows it, checked for what is no number.

`.npy`, `.safetensors` and `.pt` files of float32 are mapped; other widths of float, and pickled
NumPy arrays, are read and converted.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from trainer.errors import InputError
from trainer.inert_pickle import load_inert

CHECKED = 65536  # rows looked at together: bounds memory


def load_matrix(path: Path) -> Tensor:
    """Read a matrix of embeddings, one row an id.

    Returns:
        Shape: ``(N, D)``, float32, on the CPU.

    Raises:
        InputError: where the file is missing or damaged, is no matrix of floats, or holds a number
            that is not finite; it tells the row.
    """
    try:
        matrix = _read(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError, SafetensorError) as error:
        raise InputError(f"{path} is damaged or no file of embeddings: {error}") from error
    if not isinstance(matrix, Tensor) or matrix.ndim != 2 or not matrix.is_floating_point():
        raise InputError(f"{path} must hold a matrix of floats (N, D), but holds {_shown(matrix)}")
    if 0 in matrix.shape:
        raise InputError(f"{path} holds an empty matrix, {tuple(matrix.shape)}")
    matrix = matrix.float()
    for begin in range(0, len(matrix), CHECKED):
        bad = ~matrix[begin : begin + CHECKED].isfinite().all(dim=1)
        if bad.any():
            row = begin + int(bad.nonzero()[0])
            raise InputError(f"{path}: row {row} holds a number that is not finite; embed it again")
    return matrix


def _read(path: Path) -> Any:
    if path.suffix == ".npy":
        return _tensor(np.load(path, mmap_mode="c"))
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            if len(names) != 1:
                raise ValueError(f"needs one tensor, but has {names}")
            return file.get_tensor(names[0])
    if path.suffix in (".pt", ".pth", ".pkl"):
        return _tensor(load_inert(path))
    raise InputError(f"{path}: embeddings are .pt, .npy or .safetensors, not {path.suffix!r}")


def _tensor(value: Any) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        return value
    return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), copy=False))


def _shown(value: Any) -> str:
    if isinstance(value, Tensor | np.ndarray):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return type(value).__name__


def matrix_digest(matrix: Tensor) -> str:
    """Hash shape and bytes: 32 hexadecimal digits; a gigabyte takes about a second."""
    hasher = hashlib.sha256(f"{tuple(matrix.shape)} {matrix.dtype}".encode())
    for begin in range(0, len(matrix), CHECKED):
        hasher.update(matrix[begin : begin + CHECKED].contiguous().numpy().data)
    return hasher.hexdigest()[:32]
