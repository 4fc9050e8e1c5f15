"""Image files as arrays, the same for training and for a board: numpy and Pillow, no OpenCV.

What a file's numbers mean, the kind of the image says, by the attributes of
`cen_keras.modalities.Modality`:

- colour (three channels, no unit): uint8 RGB, whatever the file has; grey is repeated, transparency
  left away, 16 bits become 8, the camera's orientation (EXIF) applied;
- quantities (with `unit_per_count`, as depth): float32 in the unit. Whole numbers of 16 bits are
  multiplied; floats (NPY, TIFF, EXR, PFM) have the unit already. What is missing becomes `missing`;
- everything else as it is in the file, 8 or 16 bits or floats.

`deploy/runtime/image_files.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

import importlib
import io
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from .errors import InputError
from .exr_files import Unsupported, decode_exr
from .pnm_files import decode_pnm, is_pnm

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pnm", ".pfm", ".npy", ".exr"),
)
ORIENTATION = 0x0112  # of EXIF
# What Pillow calls images of 16 bits and more.
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY_AND_ALPHA = 4  # colour type of PNG
_BITS_PER_SAMPLE = 258  # of TIFF


def read_image(path: Any, kind: Any, name: str = "") -> np.ndarray:
    """Reads an image of a kind.

    Args:
        path: the file.
        kind: has `channels`, `unit`, `unit_per_count`, `missing`, `missing_counts` and `values`.
        name: of the modality, for messages.

    Returns:
        (h, w) of one channel, else (h, w, channels); see the module for its type.

    Raises:
        InputError: the file is missing, damaged, no image, or of another kind.
    """
    path = Path(path)
    if is_colour(kind):
        return read_colour(path)
    image = read_array(path)
    if kind.unit_per_count is not None:
        return quantity(image, kind, path, name)
    if image.dtype == bool:
        image = image.astype(np.uint8)
    return _with_channels(image, kind.channels, path, name)


def is_colour(kind: Any) -> bool:
    """Whether images of a kind are looked at as colours: three channels without a unit."""
    return (
        kind.channels == 3
        and kind.unit is None
        and kind.mirror == "copy"
        and not (kind.unit_per_count)
    )


def read_colour(path: Any) -> np.ndarray:
    """Reads a colour picture as uint8 (h, w, 3) RGB; see the module.

    Raises:
        InputError: it cannot be read, or holds floats.
    """
    path = Path(path)
    if path.suffix.lower() in (".npy", ".exr", ".pfm"):
        image = _with_channels(read_array(path), 3, path, "colour")
        if image.dtype != np.uint8:
            raise InputError(f"{path}: holds {image.dtype}; wanted colours of 8 bits")
        return image
    data = _bytes(path)
    if is_pnm(data):
        return _with_channels(_pnm(data, path, shown=True), 3, path, "colour")
    with _opened(data, path) as picture:
        mode = picture.mode
        if mode in _SIXTEEN or mode == "I":
            return np.repeat((_whole(picture) >> 8).astype(np.uint8)[..., None], 3, axis=-1)
        if mode == "F":
            raise InputError(f"{path}: holds floats; wanted colours of 8 bits")
        return np.array(picture.convert("RGB"))


def read_array(path: Any, indices: bool = False, shown: bool = False) -> np.ndarray:
    """Reads an image as it is in the file.

    Args:
        path: the file.
        indices: of a palette its indices, not its colours.
        shown: grey of 1, 2 or 4 bits as it is looked at, 0 to 255, not the numbers as written.

    Returns:
        (h, w) or (h, w, channels): bool of 1 bit, uint8, uint16, int32 or floats. Colours are RGB;
        transparency is left away; a palette is looked up.

    Raises:
        InputError: it cannot be read.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _npy(path)
    data = _bytes(path)
    if suffix == ".exr":
        return _exr(data, path)
    if is_pnm(data):
        return _pnm(data, path, shown)
    if _has_many_bits(data):
        return _by_opencv(data, path)
    with _opened(data, path) as picture:
        mode = picture.mode
        if mode == "P" and indices:
            return np.array(picture)
        if mode in ("L", "LA", "1", "F"):
            return np.array(picture.convert("L")) if shown and mode != "F" else _grey(picture)
        if mode in _SIXTEEN or mode == "I":
            return _whole(picture)
        return np.array(picture.convert("RGB"))


def quantity(image: np.ndarray, kind: Any, path: Any, name: str = "") -> np.ndarray:
    """What a file's numbers are in the unit: float32, `missing` where nothing was measured.

    Raises:
        InputError: 8 bits, or another number of channels.
    """
    image = _with_channels(image, kind.channels, path, name or "the modality", exact=True)
    missing = 0.0 if kind.missing is None else kind.missing
    if image.dtype.kind == "f":
        values = image.astype(np.float32)
        gone = ~np.isfinite(values)
        if kind.values is not None:  # sensors write -1 for nothing
            gone |= values < kind.values[0]
        return np.where(gone, np.float32(missing), values)
    if image.dtype.itemsize < 2:
        raise InputError(
            f"{path}: has 8 bits, must have 16; at 8 bits the {name or 'values'} in "
            f"{'metres' if kind.unit == 'm' else 'their unit'} are lost. Save 16-bit PNG, for "
            "example in millimetres, or floats as .npy"
        )
    gone = np.isin(image, kind.missing_counts) | (image < 0)
    values = image.astype(np.float32) * np.float32(kind.unit_per_count)
    return np.where(gone, np.float32(missing), values)


def _with_channels(
    image: np.ndarray, channels: int, path: Any, name: str, exact: bool = False
) -> np.ndarray:
    """The image with so many channels, (h, w) of one; grey is repeated, equal channels are one."""
    planes = image if image.ndim == 3 else image[..., None]
    found = planes.shape[2]
    if found == channels:
        return planes[..., 0] if channels == 1 else planes
    if channels == 1 and (planes == planes[..., :1]).all() and not exact:
        return planes[..., 0]
    if found == 1 and not exact:
        return np.repeat(planes, channels, axis=2)
    raise InputError(
        f"{path}: has {found} channels, must have {'one' if channels == 1 else channels}; a picture "
        f"of {name} in false colours cannot be turned back into numbers (are two folders swapped?)"
    )


def _opened(data: bytes, path: Path) -> Image.Image:
    """An image, decoded and upright; whatever Pillow finds wrong is the file."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            turned = image.getexif().get(ORIENTATION, 1) if hasattr(image, "getexif") else 1
            bits = _png_bits(data)
            upright = ImageOps.exif_transpose(image) if turned != 1 else image.copy()
            upright.info["bits"] = bits
            return upright
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path}: is damaged, cut off or no image ({error}); copy it again or take it away"
        ) from error
    except (struct.error, KeyError, IndexError, TypeError, MemoryError, OverflowError) as error:
        raise InputError(f"{path}: is damaged ({type(error).__name__}); copy it again") from error


def _bytes(path: Path) -> bytes:
    """A file's content, whole."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such image") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, wanted an image") from None
    if not data:
        raise InputError(f"{path}: is empty; copy it again")
    # Behind the end there may be more: phones keep a film of the moment there.
    ends = {b"\x89PNG": b"IEND", b"\xff\xd8": b"\xff\xd9"}
    if any(data.startswith(first) and last not in data for first, last in ends.items()):
        raise InputError(f"{path}: is cut off; copy it again or take it away")
    return data


def _png_bits(data: bytes) -> int:
    """Bits of a grey PNG's samples where they are fewer than 8; 8 for everything else."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and data[25] == 0:
        return min(8, data[24])
    return 8


def _has_many_bits(data: bytes) -> bool:
    """Whether a file has 16 bits in several channels, which Pillow cuts to 8."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return len(data) > 26 and data[24] == 16 and data[25] in (2, 4, 6)
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return False
    try:
        with Image.open(io.BytesIO(data)) as image:
            bits = image.tag_v2.get(_BITS_PER_SAMPLE, ())
    except Exception:  # said by what reads it whole
        return False
    return len(bits) > 1 and bits[0] == 16


def _grey(picture: Image.Image) -> np.ndarray:
    """One channel: bool of 1 bit, floats, or uint8; 2 and 4 bits as they were written."""
    if picture.mode == "LA":
        picture = picture.getchannel(0)
    image = np.array(picture)
    bits = picture.info.get("bits", 8)
    if image.dtype == np.uint8 and bits in (2, 4):
        image = image // (255 // (2**bits - 1))
    return image


def _whole(picture: Image.Image) -> np.ndarray:
    """Whole numbers of 16 or 32 bits: uint16 where they fit."""
    image = np.array(picture)
    if image.dtype.kind == "u" and image.dtype.itemsize == 2:
        return image.astype(np.uint16)  # of this machine's byte order
    if image.size and 0 <= image.min() and image.max() <= 65535:
        return image.astype(np.uint16)
    return image.astype(np.int32)


def _pnm(data: bytes, path: Path, shown: bool) -> np.ndarray:
    """PGM and PPM: the samples as written; as they are looked at, 8 bits of their largest value."""
    try:
        samples, top = decode_pnm(data)
    except ValueError as error:
        raise InputError(f"{path}: is damaged or no PGM or PPM ({error}); copy it again") from error
    if not shown or top == 255:
        return samples
    return np.round(samples * (255 / top)).astype(np.uint8)


def _npy(path: Path) -> np.ndarray:
    _bytes(path)
    try:
        # Pickled objects could run code; arrays of numbers need none.
        image = np.load(path, allow_pickle=False)
    except Exception as error:
        raise InputError(f"{path}: is no array of numbers ({error}); write it again") from error
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or image.size == 0:
        shape = getattr(image, "shape", None)
        raise InputError(f"{path}: has the shape {shape}; wanted (h, w) or (h, w, channels)")
    if image.dtype.kind not in "buif" or image.dtype.itemsize > 8:
        raise InputError(f"{path}: holds {image.dtype}; wanted numbers")
    return image


def _exr(data: bytes, path: Path) -> np.ndarray:
    """EXR; kinds that are not read here by an OpenCV that was built with OpenEXR."""
    try:
        return decode_exr(data)
    except Unsupported as kind:
        try:
            return _by_opencv(data, path)
        except InputError:
            raise InputError(
                f"{path}: is EXR with {kind}, which is not read; write it again as scanlines with ZIP "
                "compression, or as .npy"
            ) from None
    except ValueError as error:
        raise InputError(f"{path}: is damaged or no EXR ({error}); copy it again") from error


def _by_opencv(data: bytes, path: Path) -> np.ndarray:
    """16 bits in several channels, and kinds of EXR."""
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # OpenCV reads EXR for those who ask
    try:
        cv2 = importlib.import_module("cv2")  # which a board needs for these files only
    except ImportError:
        raise InputError(
            f"{path}: needs OpenCV, which is not installed: pip install opencv-python-headless; or "
            "save it as .npy"
        ) from None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"{path}: cannot be read ({str(error).strip()[:80]})") from error
    if image is None:
        raise InputError(f"{path}: is damaged, cut off or no image; copy it again")
    if data.startswith(b"\x89PNG") and data[25] == _GREY_AND_ALPHA:
        image = image[..., 0]  # of four: OpenCV repeats grey
    elif image.ndim == 3 and image.shape[2] >= 3:
        image = image[..., 2::-1]  # OpenCV gives blue first; transparency goes
    return np.ascontiguousarray(image)


def image_size(path: Any) -> tuple[int, int]:
    """Height and width of an image, upright, from its header where that tells.

    Raises:
        InputError: it cannot be read.
    """
    path = Path(path)
    if path.suffix.lower() in (".npy", ".exr", ".pfm"):
        return read_array(path).shape[:2]
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:
        raise InputError(f"{path}: is no image ({error})") from error
    return (width, height) if sideways else (height, width)


def orientation_note(path: Any) -> str:
    """What to say of a picture whose sizes do not fit: that it was turned as its EXIF says, or ""."""
    try:
        with Image.open(path) as image:
            turned = image.getexif().get(ORIENTATION, 1)
    except Exception:  # only a note for another error
        return ""
    if turned == 1:
        return ""
    return (
        f"; {Path(path).name} has the EXIF orientation {turned} and was turned upright: turn the "
        "others too, or take the orientation out of it"
    )
