"""From a colour image and a depth image to what the network is fed.

Depth is metres with 0 for missing, whatever unit the file was in. Colour is averaged over areas
when it shrinks, as the camera would have done; depth takes the nearest pixel, since the mean of a
table's edge and the wall behind it is a place where nothing is. An integer input's codes of an
8-bit image are a function of 256 values: one table look-up per channel instead of arithmetic on
every pixel; one for all channels where they are normalised alike, and none where the codes are the
pixels themselves, moved by 128.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Mapping, Optional

import numpy as np
from PIL import Image

from .depth_registration import is_depth, register_frame, target_of
from .errors import InputError
from .files import PathLike
from .image_files import orientation_note, read_colour, read_image
from .image_kind import METRES, PICTURE, ImageKind
from .pinhole_cameras import PinholeCamera
from .tensors import Quantization, TensorSpec
from .vector_counts import decoded

# Two images of one view differ in their proportions by rounding only.
SAME_VIEW = 0.02
SMALLEST_SIDE = 8
_CODE_RANGE = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def _nobody(modality: str, text: str) -> None:
    """Tells nobody."""


@dataclass(frozen=True)
class Frame:
    """One view of the camera.

    Attributes:
        name: for messages and file names.
        images: by modality, (h, w) or (h, w, channels) of any dtype: colour uint8 (h, w, 3), depth
            float32 (h, w) in metres, 0, NaN or infinity = missing.
            Of a view to translate every domain is an image (h, w, 3), 0 to 255, uint8 or float32.
    """

    name: str
    images: dict[str, np.ndarray]


def read_rgb(path: PathLike) -> np.ndarray:
    """Reads a colour image.

    Returns:
        uint8 (h, w, 3).

    Raises:
        InputError: the file is missing, truncated, no image, or smaller than 8 pixels a side.
    """
    return _checked_size(read_colour(path), path)


def read_depth(path: PathLike, metres_per_count: float = 0.001) -> np.ndarray:
    """Reads a depth image.

    Args:
        path: of 16 bits and one channel, or floats in metres.
        metres_per_count: metres of one count of whole numbers.

    Returns:
        float32 (h, w) in metres; 0 where the file has 0 or 65535, or NaN.

    Raises:
        InputError: the file is missing, truncated, no image, or of 8 bits or several channels.
    """
    return read_kind(path, replace(METRES, unit_per_count=metres_per_count), "depth")


def read_kind(path: PathLike, kind: ImageKind, name: str) -> np.ndarray:
    """Reads an image of any kind; see `image_files`.

    Raises:
        InputError: it cannot be read, is of another kind, or smaller than 8 pixels a side.
    """
    return _checked_size(read_image(path, kind, name), path)


def read_pair(rgb_path: PathLike, depth_path: PathLike, metres_per_count: float = 0.001) -> Frame:
    """Reads a colour image and the depth image registered to it.

    Raises:
        InputError: as for `read_rgb` and `read_depth`, or the two differ in size.
    """
    depth = replace(METRES, unit_per_count=metres_per_count)
    return read_frame(
        str(rgb_path), {"rgb": rgb_path, "depth": depth_path}, {"rgb": PICTURE, "depth": depth}
    )


def read_frame(
    name: str,
    files: Mapping[str, PathLike],
    kinds: Mapping[str, ImageKind],
    cameras: Optional[Mapping[str, PinholeCamera]] = None,
    warn: Callable[[str, str], None] = _nobody,
) -> Frame:
    """Reads the images of one view.

    Args:
        name: of the frame.
        files: by modality.
        kinds: likewise.
        cameras: likewise, of a rig: depth with a camera is registered, see `register_depth`.
        warn: takes a modality that is scaled, and the warning's text.

    Returns:
        a frame whose images have the size of the first one, with cameras of that which depth is registered
        to; those that show the same in another size are scaled.

    Raises:
        InputError: as for `read_kind`, or an image has other proportions than the first.
    """
    images = {key: read_kind(path, kinds[key], key) for key, path in files.items()}
    target = next(iter(files))
    if cameras:
        target = target_of(cameras, {key: kinds[key] for key in files}, "cameras")
    height, width = images[target].shape[:2]
    for key, image in images.items():
        if cameras and key in cameras and is_depth(kinds[key]):
            images[key] = register_frame(images, key, cameras, target, files)
        elif image.shape[:2] != (height, width):
            rows, columns = image.shape[:2]
            source = files[target]
            sizes = f"{files[key]}: {columns}x{rows} pixels, but {source} has {width}x{height}"
            if abs(columns * height / (rows * width) - 1) > SAME_VIEW:
                raise InputError(
                    f"{sizes}; images of a view must be registered to each other, pixel on pixel, or "
                    f"--cameras says how{orientation_note(source)}"
                )
            warn(key, f"{sizes}; scaled, as if both showed the same; --cameras registers them")
            images[key] = _scaled(image, height, width, kinds[key])
    return Frame(name, images)


def _scaled(image: np.ndarray, height: int, width: int, kind: ImageKind) -> np.ndarray:
    if kind.interpolation == "nearest" or image.dtype not in (np.uint8, np.float32):
        return resize_nearest(image, height, width)
    bare = image.ndim == 2
    scaled = resize_image(image[..., None] if bare else image, height, width)
    return scaled[..., 0] if bare else scaled


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a uint8 or float32 (h, w, c) image: mean over areas when it shrinks, bilinear
    otherwise; the whole view is kept.
    """
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    method = Image.BOX if shrinks else Image.BILINEAR
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return np.asarray(Image.fromarray(image).resize((width, height), method))
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in image.transpose(2, 0, 1)]
    return np.stack([np.asarray(p.resize((width, height), method)) for p in planes], axis=-1)


def resize_nearest(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes an (h, w, ...) array by taking the pixel whose area holds the centre of the new
    one.
    """
    if image.shape[:2] == (height, width):
        return image
    rows = ((2 * np.arange(height) + 1) * image.shape[0]) // (2 * height)
    columns = ((2 * np.arange(width) + 1) * image.shape[1]) // (2 * width)
    return image[rows[:, None], columns[None, :]]


def quantize(values: np.ndarray, quantization: Quantization, dtype: str) -> np.ndarray:
    """Codes of real values: round(value / scale) + zero_point, held inside the type's range."""
    low, high = _CODE_RANGE[dtype]
    # float32 division, as the engines' own QUANTIZE does it; np.rint rounds ties to even. One array
    # for all steps: a new one for each would take as long as the steps.
    codes = np.asarray(values, np.float32) / np.float32(quantization.scale)
    np.rint(codes, out=codes)
    codes += np.float32(quantization.zero_point)
    return np.clip(codes, low, high, out=codes).astype(dtype)


class Preprocessor:
    """Feeds one artifact: resizes, normalises and, for integer inputs, quantises.

    Args:
        inputs: the artifact's, by name.
        as_float: give normalised float32 whatever the inputs' type is (for the float model that
            `verify` compares with).
    """

    def __init__(self, inputs: Mapping[str, TensorSpec], as_float: bool = False):
        self.inputs = inputs
        self._as_float = as_float
        self._tables = {
            name: _Table(self._encode(_every_count(spec), spec))
            for name, spec in inputs.items()
            if spec.kind.unit is None
        }

    def __call__(self, frame: Frame) -> dict[str, np.ndarray]:
        """Prepares one frame.

        Args:
            frame: at any size; images of a frame share it.

        Returns:
            By input name, (1, h, w, c) in the input's type (or float32), at the network's size.

        Raises:
            InputError: an image that an input wants is not in the frame, has another number of
                channels, or holds NaN where nothing can be missing.
        """
        return {name: self._prepare(frame, spec) for name, spec in self.inputs.items()}

    def _prepare(self, frame: Frame, spec: TensorSpec) -> np.ndarray:
        if spec.name not in frame.images:
            raise InputError(
                f"{frame.name}: no {spec.name!r} image, only {', '.join(sorted(frame.images))}; "
                "the artifact needs it"
            )
        image = frame.images[spec.name]
        height, width, channels = spec.hwc
        fits = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == channels)
        if not fits or image.dtype.kind not in "uif":
            raise InputError(
                f"{frame.name}: {spec.name!r} is {image.dtype} {image.shape}, wanted (h, w, "
                f"{channels})"
            )
        if image.ndim == 2:
            image = (
                np.repeat(image[..., None], channels, axis=2) if channels > 1 else image[..., None]
            )
        if image.dtype not in (np.uint8, np.float32):
            image = _floats(image, spec)
        image = spec.kind.finite(image, f"{frame.name}, {spec.name!r}")
        resize = resize_nearest if spec.kind.interpolation == "nearest" else resize_image
        image = resize(image, height, width)
        if image.dtype == np.uint8 and spec.name in self._tables:
            return self._tables[spec.name](image)[None]
        return self._encode(_floats(image, spec), spec)[None]

    def _encode(self, values: np.ndarray, spec: TensorSpec) -> np.ndarray:
        """Normalises (..., c) values and quantises them if the input is of integers."""
        normal = spec.normalization
        # Floats, in the type of the values: tables are made in float64, depth stays float32.
        mean, std = (np.array(column, values.dtype) for column in (normal.mean, normal.std))
        # Metres have scale 1; every pass over a depth image counts.
        real = values - mean if normal.scale == 1 else values * normal.scale - mean
        real /= std
        real = real.astype(np.float32, copy=False)
        if self._as_float or spec.quantization is None:
            return real
        return quantize(real, spec.quantization, spec.dtype)


def _takes_vectors(spec: TensorSpec) -> bool:
    """Whether an input's numbers are for vectors of -1..1, which come as counts all the same."""
    normal = spec.normalization  # as on the host
    return spec.kind.mirror == "negate_x" and normal.scale == 1 and abs(normal.mean[0]) <= 1


def _every_count(spec: TensorSpec) -> np.ndarray:
    """What the 256 counts of 8 bits stand for, float64 (256, channels)."""
    counts = np.repeat(np.arange(256.0)[:, None], spec.hwc[2], axis=1)
    return counts / 127.5 - 1 if _takes_vectors(spec) else counts


def _floats(image: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """The image as float32, counts of vectors as the vectors."""
    if image.dtype.kind == "u" and _takes_vectors(spec):
        return decoded(image)
    return np.asarray(image, np.float32)


class _Table:
    """What each value of an 8-bit image becomes, channel by channel.

    Args:
        codes: (256, channels).
    """

    def __init__(self, codes: np.ndarray):
        self._columns = [np.ascontiguousarray(column) for column in codes.T]
        self._alike = all((column == self._columns[0]).all() for column in self._columns[1:])
        moved = np.arange(-128, 128)
        self._moved = codes.dtype == np.int8 and self._alike and (codes[:, 0] == moved).all()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Looks up a uint8 (h, w, channels) image."""
        if self._moved:
            return np.bitwise_xor(image, np.uint8(128)).view(np.int8)
        if self._alike:
            return np.take(self._columns[0], image)
        out = np.empty(image.shape, self._columns[0].dtype)
        for channel, column in enumerate(self._columns):
            np.take(column, image[..., channel], out=out[..., channel])
        return out


def _checked_size(image: np.ndarray, path: PathLike) -> np.ndarray:
    if min(image.shape[:2]) < SMALLEST_SIDE:
        raise InputError(
            f"{path}: {image.shape[1]}x{image.shape[0]} pixels; wanted at least {SMALLEST_SIDE} a "
            "side"
        )
    return image
