"""Tensors of a PyTorch file as NumPy arrays, read without torch and without executing the file.

A file of PyTorch is a pickle that names its numbers, and the numbers themselves: in a zip since torch 1.6, one behind
the other before. A pickle may name any function to call; here it may name an OrderedDict, the rebuilding of a tensor,
and nothing else. Files that hold more (NumPy scalars, optimisers) are for `checkpoint_file`, which needs torch.
"""

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np

from cen_keras.errors import InputError

_MAGIC = 0x1950A86A20F9469CFC6C  # the first number of a file from before the zip
_PROTOCOL = 1001
_DTYPES = {
    "DoubleStorage": np.float64,
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


class _Tensor:
    """A tensor whose numbers come later: a view of a storage, offset and strides in elements."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Returns the tensor as an array of its own.

        Raises:
            ValueError: the view reaches beyond its storage.
        """
        numbers = storages[self.storage[0]]
        steps = [(size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)]
        if min((self.offset, *self.shape, *self.strides)) < 0:
            raise ValueError("a tensor has a negative size, stride or offset")
        if 0 not in self.shape and self.offset + sum(steps) >= numbers.size:
            raise ValueError("a tensor reaches beyond its storage")
        strides = [stride * numbers.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides)
        return view.copy()


class _Unpickler(pickle.Unpickler):
    """Admits an OrderedDict, tensors and their storages; every other name is an error."""

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return _first
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise InputError(f"asks to run {module + '.' + name!r} on loading")

    def persistent_load(self, pid):
        kind, dtype, key, _, count = pid[:5]
        if kind != "storage" or (len(pid) > 5 and pid[5] is not None):
            raise ValueError(f"refers to {kind!r} in a way that is not known")
        return str(key), dtype, int(count)


def _first(value, *_):
    return value


def _storages_of(value, found: dict) -> dict:
    """Returns key -> (dtype, count) of all storages that a value's tensors view."""
    if isinstance(value, _Tensor):
        found[value.storage[0]] = value.storage[1:]
    elif isinstance(value, dict):
        for inner in value.values():
            _storages_of(inner, found)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _storages_of(inner, found)
    return found


def _filled(value, storages):
    if isinstance(value, _Tensor):
        return value.array(storages)
    if isinstance(value, dict):
        return {key: _filled(inner, storages) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_filled(inner, storages) for inner in value)
    return value


def _numbers(data: bytes, dtype, count: int) -> np.ndarray:
    if len(data) != count * np.dtype(dtype).itemsize:
        raise ValueError("it is truncated")
    return np.frombuffer(data, dtype)


def _read_zip(path):
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("the zip has no data.pkl")
        folder = pickles[0].removesuffix("data.pkl")
        if archive.testzip() is not None:
            raise ValueError("a part of the zip is damaged")
        order = folder + "byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ValueError("its numbers are not little-endian")
        with archive.open(pickles[0]) as file:
            value = _Unpickler(file).load()
        storages = {
            key: _numbers(archive.read(f"{folder}data/{key}"), dtype, count)
            for key, (dtype, count) in _storages_of(value, {}).items()
        }
    return value, storages


def _read_stream(path):
    with open(path, "rb") as file:
        magic, protocol, system = (_Unpickler(file).load() for _ in range(3))
        if (magic, protocol) != (_MAGIC, _PROTOCOL) or not system["little_endian"]:
            raise ValueError("the first numbers are not those of a PyTorch file")
        value = _Unpickler(file).load()
        known, storages = _storages_of(value, {}), {}
        for key in _Unpickler(file).load():
            dtype, count = known[str(key)]
            if int.from_bytes(file.read(8), "little") != count:
                raise ValueError("a storage has another length than its tensor says")
            storages[str(key)] = _numbers(file.read(count * np.dtype(dtype).itemsize), dtype, count)
    return value, storages


def read_tensors(path: str | os.PathLike) -> dict:
    """Returns what a PyTorch file holds, a dict as a rule, with a NumPy array for each tensor.

    Args:
        path: a file that `torch.save` wrote, with or without a zip around it.

    Raises:
        InputError: the file is truncated or none of PyTorch, or asks for anything but tensors and plain containers.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the file of tensors in it.")
    with open(path, "rb") as file:
        start = file.read(4)
    try:
        value, storages = (_read_zip if start == b"PK\x03\x04" else _read_stream)(path)
        return _filled(value, storages)
    except InputError as error:
        raise InputError(
            f"{path} {error} and was refused: a file of weights should hold only tensors. If you trust its author, "
            "save its state dict alone with PyTorch and load that."
        ) from error
    # A broken file makes the unpickler raise almost anything: EOFError, KeyError, TypeError, UnpicklingError, ...
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a PyTorch file ({type(error).__name__}: {error}); it may be truncated or of "
            "another program. Copy or download it again."
        ) from error
