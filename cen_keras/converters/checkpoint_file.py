"""PyTorch checkpoint files (.pth, .pth.tar, .pkl), read without executing what they say.

A checkpoint is a pickle, and a pickle may call any function. `torch.load(weights_only=True)` builds
tensors and plain containers only; the authors' files hold a NumPy scalar besides (`best_val`), for
which stand-ins are admitted here. Reading takes both formats: the zip of torch >= 1.6 and the one
before it, which is also the one written, since every torch reads it. Only this module needs torch.
"""

import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path


def _torch():
    try:
        import torch
    except ImportError as error:
        raise InputError(
            "checkpoint files need PyTorch: pip install 'cen-keras[torch]'. A mapping of names to "
            "arrays is loaded without it."
        ) from error
    return torch


class _Dtype:
    """Stands in for numpy.dtype while a file is read: plain numbers only."""

    def __init__(self, name, align=False, copy=True):
        name = name.decode("ascii") if isinstance(name, bytes) else name
        self.value = np.dtype(name)
        if self.value.kind not in "biuf":
            raise pickle.UnpicklingError(f"numpy dtype {name!r} is not a number")

    def __setstate__(self, state):
        order = state[1]
        order = order.decode("ascii") if isinstance(order, bytes) else order
        self.value = self.value.newbyteorder(order)


def _scalar(dtype, data):
    """Stands in for numpy's function that makes a scalar from its bytes."""
    data = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(data, dtype.value, count=1)[0]


# The module moved in NumPy 2; a file names the one of its writer.
ADMITTED = [
    (_Dtype, "numpy.dtype"),
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
]


def read_checkpoint(path: str | os.PathLike) -> Mapping:
    """Returns what a checkpoint file holds: usually a dict, its tensors on the CPU.

    Raises:
        InputError: torch is not installed; the file is truncated or no PyTorch file; or it asks for
            anything but tensors, plain containers and NumPy numbers. Such a file is not read any
            further.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the checkpoint file in it.")
    with open(path, "rb") as file:  # a missing file is reported before torch is imported
        if not file.read(1):
            raise InputError(f"{path} is empty; copy or download the checkpoint again.")
    torch = _torch()
    try:
        with torch.serialization.safe_globals(ADMITTED):
            return torch.load(path, map_location="cpu", weights_only=True)
    # A broken file makes torch raise almost anything: RuntimeError, EOFError, OSError, KeyError, ...
    except Exception as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        if asked:
            raise InputError(
                f"{path} asks to run {asked[1]!r} on loading and was refused: a checkpoint should "
                "hold only tensors and numbers. If you trust its author, save its state dict alone "
                "with PyTorch and load that."
            ) from error
        # What torch itself has to say stands at the end of a page on how to read untrusted files.
        reported = re.search(r"WeightsUnpickler error:\s*(.*)", str(error))
        reason = reported[1] if reported else (str(error).splitlines() or [""])[0].split(". ")[0]
        raise InputError(
            f"{path} cannot be read as a PyTorch checkpoint ({type(error).__name__}: {reason}); it "
            "may be truncated, of another program, or hold more than tensors. Copy or download "
            "it again."
        ) from error


def write_checkpoint(path: str | os.PathLike, checkpoint: Mapping) -> None:
    """Writes a checkpoint file whose arrays are tensors and whose mappings are OrderedDicts.

    Args:
        path: the file; it is either whole or absent.
        checkpoint: mapping of names to NumPy arrays, numbers or such mappings.

    Raises:
        InputError: torch is not installed.
        OSError: the disk is full or the folder may not be written.
    """
    torch = _torch()

    def convert(value):
        if isinstance(value, Mapping):
            return OrderedDict((key, convert(inner)) for key, inner in value.items())
        return torch.from_numpy(value) if isinstance(value, np.ndarray) else value

    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        torch.save(convert(checkpoint), file, _use_new_zipfile_serialization=False)
