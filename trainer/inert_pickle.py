"""Files of torch and pickled arrays, read without running any code that they name.

What `torch.load(weights_only=True)` takes is read so. Where foreign classes stand in a file
(Lightning's hold the configuration that they were trained with), every class outside a short list
becomes an inert stub: it is never imported, takes whatever it is given and does nothing.
"""

import pickle
import warnings
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainer.errors import InputError

_NUMPY_MAKERS: dict[str, Any] = {  # what arrays themselves name when they are pickled
    "_reconstruct": np.empty(0).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "_frombuffer": np.empty(0).__reduce_ex__(5)[0],
}
_ARRAYS = tuple(
    f"numpy.{c}.{part}" for c in ("core", "_core") for part in ("multiarray", "numeric")
)
_CONTAINERS = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): defaultdict,
    ("builtins", "dict"): dict,
    ("builtins", "list"): list,
    ("builtins", "set"): set,
    ("builtins", "complex"): complex,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
_TORCH_MAKERS = {  # of torch._utils: they build tensors from storages and nothing else
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_parameter",
}


class Stub:
    """Stands for an object of a class that is not imported."""

    def __new__(cls, *_: Any, **__: Any) -> "Stub":
        """Take anything."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, _: Any) -> None:
        """Take an item and forget it."""

    def extend(self, _: Any) -> None:
        """Take items and forget them."""

    def add(self, _: Any) -> None:
        """Take an item and forget it."""


class _Unpickler(pickle.Unpickler):
    """Finds what is on the list; makes a stub of everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up without importing its module."""
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        if module == "torch._utils" and name in _TORCH_MAKERS:
            return getattr(torch._utils, name)
        if module == "torch" and (name.endswith("Storage") or _is_dtype(name)):
            return getattr(torch, name, Stub)
        if module in _ARRAYS and name in _NUMPY_MAKERS:
            return _NUMPY_MAKERS[name]
        if (module, name) == ("_codecs", "encode"):  # how old NumPy writes an array's bytes
            return _encode
        return type(name.rpartition(".")[2] or "Stub", (Stub,), {"__module__": "inert"})


class _InertPickle:
    """What torch.load takes for the module `pickle`."""

    Unpickler = _Unpickler
    UnpicklingError = pickle.UnpicklingError

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        """Read one object."""
        return _Unpickler(file, **options).load()


def _is_dtype(name: str) -> bool:
    return isinstance(getattr(torch, name, None), torch.dtype)


def _encode(text: str, encoding: str = "latin1", *_: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes of an array must be written in latin1")
    return text.encode("latin1")


def load_inert(path: Path) -> Any:
    """Read a `.pt` or `.ckpt` file, or a pickled array; tensors are mapped where that is possible.

    Raises:
        InputError: where the file is missing, empty, truncated or of another kind.
    """
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; copy it again")
        with warnings.catch_warnings():  # of protocols that torch itself does not write
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            try:
                return torch.load(path, map_location="cpu", mmap=_is_zip(path), weights_only=True)
            except pickle.UnpicklingError:  # a class that weights alone do not need
                return _load_with_stubs(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except InputError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise InputError(
            f"{path} is damaged, or neither a torch file nor a pickled array: "
            f"{type(error).__name__}: {str(error)[:200]}"
        ) from error


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _load_with_stubs(path: Path) -> Any:
    zipped = _is_zip(path)
    if not zipped:
        with path.open("rb") as file:
            content = _Unpickler(file).load()
        if type(content) is not int or content != torch.serialization.MAGIC_NUMBER:
            return content  # no file of torch before 1.6
    return torch.load(
        path, map_location="cpu", mmap=zipped, weights_only=False, pickle_module=_InertPickle
    )
