"""From the images of ROS messages to the arrays of a frame, and back.

A message is anything with the fields of sensor_msgs/Image or sensor_msgs/CompressedImage, whoever
read it: rclpy from a topic, rosbags from a file.

    colour      rgb8 bgr8 rgba8 bgra8 mono8, 8UC1 and 8UC3 as OpenCV means them; JPEG or PNG
    depth       16UC1 and mono16: counts, 0 and 65535 missing; 32FC1: metres, 0, NaN and infinity
                missing; compressedDepth of both, as PNG
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

from ..demo.cameras import metres
from ..runtime.errors import InputError

# Encoding -> channels, and which of them are red, green and blue.
_COLOURS = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "8UC3": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "8UC4": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
}
_COUNTS = ("16UC1", "mono16")
_METRES = "32FC1"
# What compressed_depth_image_transport puts before the PNG: an enumeration and two numbers that
# undo its quantisation of 32FC1.
_DEPTH_HEADER = struct.Struct("<iff")
_PNG = b"\x89PNG"


def colour_image(message: Any) -> np.ndarray:
    """The colours of a message.

    Returns:
        uint8 (h, w, 3), an array of its own.

    Raises:
        InputError: another encoding, or fewer bytes than height and width say.
    """
    if _compressed(message):
        image = _decoded(bytes(message.data), message.format)
        if image.mode[0] in "IF":  # Pillow would cut off what is beyond 255
            raise InputError(
                f"a compressed image ({message.format}) has more than 8 bits, wanted colours of 8 bits; convert it "
                "before, with image_proc for example"
            )
        return np.array(image.convert("RGB"))
    if message.encoding not in _COLOURS:
        raise InputError(
            f"encoding {message.encoding!r} is none of a colour image ({', '.join(_COLOURS)}); "
            "convert it before, with image_proc for example"
        )
    channels, order = _COLOURS[message.encoding]
    return np.take(_pixels(message, "u1", channels), order, axis=-1)


def depth_image(message: Any, metres_per_count: float = 0.001) -> np.ndarray:
    """The depths of a message.

    Args:
        message: see the table above.
        metres_per_count: of whole numbers.

    Returns:
        float32 (h, w) in metres, 0 = missing.

    Raises:
        InputError: another encoding, or fewer bytes than height and width say.
    """
    if _compressed(message):
        return _compressed_depth(message, metres_per_count)
    if message.encoding in _COUNTS:
        return metres(_pixels(message, "u2", 1)[..., 0], metres_per_count)
    if message.encoding == _METRES:
        return _known(_pixels(message, "f4", 1)[..., 0].astype(np.float32))
    raise InputError(
        f"encoding {message.encoding!r} is none of a depth image ({', '.join(_COUNTS)}, {_METRES}); "
        "name the topic of the depth as it was measured, not of a picture of it"
    )


def holds_metres(message: Any) -> bool:
    """Whether a message of depth holds floats, which are metres, not counts."""
    kind = message.format.split(";")[0] if _compressed(message) else message.encoding
    return kind.strip() == _METRES


def grey_image(message: Any) -> np.ndarray:
    """The values of a message of one channel that is no depth, a thermal camera's for instance.

    Returns:
        uint8 or uint16 (h, w), an array of its own.

    Raises:
        InputError: another encoding, or fewer bytes than height and width say.
    """
    if _compressed(message):
        image = _decoded(bytes(message.data), message.format)
        return np.array(image, np.uint16) if image.mode[0] == "I" else np.array(image.convert("L"))
    if message.encoding in _COUNTS:
        return _pixels(message, "u2", 1)[..., 0].astype(np.uint16)
    if _COLOURS.get(message.encoding, (0,))[0] == 1:
        return np.array(_pixels(message, "u1", 1)[..., 0])
    raise InputError(
        f"encoding {message.encoding!r} is none of one channel (mono8, 8UC1, {', '.join(_COUNTS)}); convert it before"
    )


def fill_image(message: Any, image: np.ndarray, encoding: str) -> Any:
    """Puts an array into a sensor_msgs/Image.

    Args:
        message: an empty message; its header is not touched.
        image: (h, w) or (h, w, c) in the encoding's type.
        encoding: its name: "mono8", "mono16" or "rgb8".

    Returns:
        The message.
    """
    import array

    message.height, message.width = image.shape[:2]
    message.encoding = encoding
    message.is_bigendian = 0
    message.step = int(image.nbytes // image.shape[0])
    little = np.ascontiguousarray(image, image.dtype.newbyteorder("<"))
    # Of any other type each byte would be looked at in Python.
    message.data = array.array("B", little.tobytes())
    return message


def _compressed(message: Any) -> bool:
    return hasattr(message, "format")


def _pixels(message: Any, kind: str, channels: int) -> np.ndarray:
    """The pixels as (h, w, c), without what fills the ends of the rows."""
    dtype = np.dtype(kind).newbyteorder(">" if message.is_bigendian else "<")
    height, width, step = message.height, message.width, message.step
    row = width * channels * dtype.itemsize
    data = np.frombuffer(message.data, np.uint8)
    if height < 1 or width < 1 or step < row or data.size < step * height:
        raise InputError(
            f"a {message.encoding} image of {width}x{height} pixels, {step} bytes a row and "
            f"{data.size} in all; wanted {row} a row and {row * height}"
        )
    rows = data[: step * height].reshape(height, step)[:, :row]
    return np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels)


def _known(depth: np.ndarray) -> np.ndarray:
    """NaN, infinity and what is behind the camera become 0, in place."""
    depth[~(np.isfinite(depth) & (depth > 0))] = 0
    return depth


def _compressed_depth(message: Any, metres_per_count: float) -> np.ndarray:
    content = bytes(message.data)
    encoding = message.format.split(";")[0].strip()
    start = content.find(_PNG, 0, 64)
    if start < 0:
        raise InputError(
            f"compressed depth of format {message.format!r} holds no PNG; set the publisher's "
            "parameter to png (RVL and JPEG are not read), or take the topic that is not compressed"
        )
    counts = np.array(_decoded(content[start:], message.format))
    if counts.ndim != 2 or counts.dtype.kind not in "ui" or counts.dtype.itemsize < 2:
        raise InputError(
            f"compressed depth of format {message.format!r} is {counts.dtype} {counts.shape}, "
            "wanted 16-bit greys; an 8-bit picture has lost the metres"
        )
    if encoding != _METRES:
        return metres(counts.astype(np.uint16), metres_per_count)
    if start < _DEPTH_HEADER.size:
        raise InputError(
            f"compressed depth of format {message.format!r} lacks the numbers before its PNG that "
            "make it metres"
        )
    _, a, b = _DEPTH_HEADER.unpack_from(content)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.float32(a) / (counts.astype(np.float32) - np.float32(b))
    depth[counts == 0] = 0
    return _known(depth)


def _decoded(content: bytes, kind: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"a compressed image ({kind}) is not whole: {error}") from error
    return image
