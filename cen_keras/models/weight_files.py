"""Weights in a file as small as their scores allow: kernels in float16, all else in float32.

Rounding a kernel to 11 bits moves it less than the 8 bits of most artifacts do. Norms stay as they
are: they are a hundredth of the numbers, a scale beside the exchange threshold decides which stream
is read, and a variance may be too small or too large for float16.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path

_KERNEL_RANK = 4


def save_weights(model: keras.Model, path: Path) -> str:
    """Writes all weights of a model, whole or not at all.

    Args:
        model: a built model.
        path: of the .npz.

    Returns:
        the file's SHA-256, hexadecimal.

    Raises:
        InputError: a weight is not finite, or a kernel's largest number is beyond float16.
        OSError: full disk, no permission.
    """
    arrays = {}
    for variable in model.weights:
        value = np.asarray(variable, np.float32)
        if value.ndim == _KERNEL_RANK:
            with np.errstate(over="ignore"):
                value = value.astype(np.float16)
        if not np.isfinite(value).all():
            raise InputError(f"weight {variable.path!r} is not finite, or too large for float16.")
        arrays[variable.path] = value
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)
        return hashlib.sha256(temporary.read_bytes()).hexdigest()


def load_weights(model: keras.Model, path: Path, sha256: str, skipped: Sequence[str] = ()) -> None:
    """Reads weights into a model: all of them, or the model is as it was.

    Args:
        model: of the architecture that was saved.
        path: of the .npz.
        sha256: what the file's checksum must be.
        skipped: names of layers that keep the weights that they have.

    Raises:
        InputError: the file is missing, damaged, or of another architecture.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: is missing; install cen_keras again, or pass load_weights=False."
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: its SHA-256 is {found[:12]}..., wanted {sha256[:12]}...; the file is damaged "
            "or of another version, install cen_keras again."
        )
    try:
        # Pickled objects could run code; arrays of numbers need none.
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a .npz of arrays ({error}); install it again.") from error
    # str.startswith(()) is never true.
    left_out = tuple(f"{name}/" for name in skipped)
    variables = [v for v in model.weights if not v.path.startswith(left_out)]
    arrays = {name: value for name, value in arrays.items() if not name.startswith(left_out)}
    wanted = {variable.path: tuple(variable.shape) for variable in variables}
    for name, shape in wanted.items():
        there = arrays[name].shape if name in arrays else "nothing"
        if there != shape:
            raise InputError(
                f"{path}: has {there} for {name!r}, the model wants {shape}. Build the model with "
                "the preset's own arguments, or pass load_weights=False."
            )
    unknown = sorted(set(arrays) - set(wanted))
    if unknown:
        raise InputError(
            f"{path}: has {unknown[0]!r}, which the model has not. Build the model with the "
            "preset's own arguments, or pass load_weights=False."
        )
    for variable in variables:
        variable.assign(arrays[variable.path].astype(np.float32))
