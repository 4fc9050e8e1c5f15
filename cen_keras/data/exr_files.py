"""OpenEXR files of scanlines, which most builds of OpenCV do not read: NumPy and zlib only.

Read are single-part images, uncompressed or compressed by RLE, ZIPS or ZIP, of half, float or whole
numbers (https://openexr.com/en/latest/OpenEXRFileLayout.html). PIZ, tiles, several parts and deep
pixels are `Unsupported`.

`deploy/runtime/exr_files.py` is a link to this file, for boards, which have no other part of the
project: it is written in the syntax of Python 3.8, and imports relative to itself.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

MAGIC = b"\x76\x2f\x31\x01"
COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
LINES = {"none": 1, "RLE": 1, "ZIPS": 1, "ZIP": 16}
"""Rows in one block of those that are read."""
TYPES = (np.dtype("<u4"), np.dtype("<f2"), np.dtype("<f4"))
LARGEST = 1 << 28
"""Values of a file: a damaged header may say anything."""
_FLAGS = {0x200: "tiles", 0x800: "deep pixels", 0x1000: "several parts"}


class Unsupported(ValueError):
    """A whole file of a kind that is not read here; the message names the kind."""


def decode_exr(data: bytes) -> np.ndarray:
    """Decodes a file's bytes.

    Returns:
        (h, w) of one channel, else (h, w, channels), of the display window, 0 outside the data: floats,
        or int64 of whole numbers. R, G and B come in this order and without A, others by the alphabet.

    Raises:
        Unsupported: see the module.
        ValueError: the bytes are no such file, or damaged.
    """
    try:
        return _decoded(data)
    except Unsupported:
        raise
    except (struct.error, zlib.error, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise ValueError(f"{type(error).__name__} {error}") from error


def _decoded(data: bytes) -> np.ndarray:
    if data[:4] != MAGIC:
        raise ValueError("it does not begin as EXR does")
    flags = struct.unpack_from("<I", data, 4)[0]
    kind = next((name for bit, name in _FLAGS.items() if flags & bit), None)
    if kind:
        raise Unsupported(kind)
    header, place = _header(data)
    compression = COMPRESSIONS[header["compression"][0]]
    if compression not in LINES:
        raise Unsupported(f"{compression} compression")
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    channels = _channels(header["channels"])
    if not (width > 0 and height > 0 and width * height * len(channels) <= LARGEST):
        raise ValueError(f"its data window is {width}x{height}")
    planes = {name: np.zeros((height, width), kind) for name, kind in channels}
    lines = LINES[compression]
    for offset in struct.unpack_from(f"<{-(-height // lines)}Q", data, place):
        row, size = struct.unpack_from("<2i", data, offset)
        row -= top
        count = min(lines, height - row)
        if not (0 <= row < height and size >= 0 and offset + 8 + size <= len(data)):
            raise ValueError("a block lies outside")
        line = width * sum(kind.itemsize for _, kind in channels)
        block = _unpacked(data[offset + 8 : offset + 8 + size], compression, count * line)
        for index in range(count):
            start = index * line
            for name, kind in channels:
                planes[name][row + index] = np.frombuffer(block, kind, width, start)
                start += width * kind.itemsize
    image = _ordered(planes)
    return _displayed(image, struct.unpack("<4i", header["displayWindow"]), left, top)


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    """The attributes, and where the table of blocks begins."""
    header, place = {}, 8
    while data[place] != 0:
        name, place = _word(data, place)
        _, place = _word(data, place)  # its type
        (size,) = struct.unpack_from("<i", data, place)
        if size < 0 or place + 4 + size > len(data):
            raise ValueError(f"the attribute {name!r} is cut off")
        header[name] = data[place + 4 : place + 4 + size]
        place += 4 + size
    return header, place + 1


def _word(data: bytes, place: int) -> tuple[str, int]:
    end = data.index(b"\0", place)
    return data[place:end].decode("latin-1"), end + 1


def _channels(data: bytes) -> list[tuple[str, np.dtype]]:
    """Names and types, in the order in which the values lie."""
    found, place = [], 0
    while data[place] != 0:
        name, place = _word(data, place)
        kind, _, across, down = struct.unpack_from("<iI2i", data, place)
        if (across, down) != (1, 1):
            raise Unsupported("channels of a part of the pixels")
        found.append((name, TYPES[kind]))
        place += 16
    if not found:
        raise ValueError("it has no channels")
    return found


def _unpacked(block: bytes, compression: str, size: int) -> bytes:
    """A block's values as they lie in an uncompressed file."""
    if compression == "none" or len(block) == size:  # what would not shrink is kept as it is
        found = block
    else:
        found = _repeated(block) if compression == "RLE" else zlib.decompress(block)
        steps = np.frombuffer(found, np.uint8).copy()
        steps[1:] += np.uint8(128)
        values = np.cumsum(steps, dtype=np.uint8)
        half = (values.size + 1) // 2
        mixed = np.empty_like(values)
        mixed[0::2], mixed[1::2] = values[:half], values[half:]
        found = mixed.tobytes()
    if len(found) != size:
        raise ValueError(f"a block holds {len(found)} bytes, not {size}")
    return found


def _repeated(block: bytes) -> bytes:
    """Undoes run lengths: 1 to 128 times the next byte, or up to 128 bytes as they are."""
    parts, place = [], 0
    while place < len(block):
        count = struct.unpack_from("<b", block, place)[0]
        if count < 0:
            parts.append(block[place + 1 : place + 1 - count])
            place += 1 - count
        else:
            parts.append(block[place + 1 : place + 2] * (count + 1))
            place += 2
    return b"".join(parts)


def _ordered(planes: dict[str, np.ndarray]) -> np.ndarray:
    """The channels as an image."""
    short = {name.rsplit(".", 1)[-1]: plane for name, plane in planes.items()}
    if len(short) == len(planes):
        planes = short
    if {"R", "G", "B"} <= set(planes):
        planes = {name: planes[name] for name in "RGB"}
    if len(planes) > 1:
        planes = {name: plane for name, plane in planes.items() if name != "A"}
    if len(planes) > 4:
        raise Unsupported(f"the layers {', '.join(list(planes)[:6])}")
    image = np.stack(list(planes.values()), axis=-1)
    image = image.astype(np.float32 if image.dtype.kind == "f" else np.int64)
    return image[..., 0] if image.shape[2] == 1 else image


def _displayed(image: np.ndarray, window: tuple[int, ...], left: int, top: int) -> np.ndarray:
    """The data inside the display window, 0 around them."""
    height, width = window[3] - window[1] + 1, window[2] - window[0] + 1
    row, column = top - window[1], left - window[0]
    if (row, column) == (0, 0) and image.shape[:2] == (height, width):
        return image
    if not (0 < height and 0 < width and height * width <= LARGEST):
        raise ValueError(f"its display window is {width}x{height}")
    shown = np.zeros((height, width) + image.shape[2:], image.dtype)
    rows = slice(max(0, row), max(0, min(height, row + image.shape[0])))
    columns = slice(max(0, column), max(0, min(width, column + image.shape[1])))
    shown[rows, columns] = image[
        rows.start - row : rows.stop - row, columns.start - column : columns.stop - column
    ]
    return shown
