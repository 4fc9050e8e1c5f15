"""What happens between a view and the net: augmentation and normalisation.

Augmentations take a view and an explicit generator and change every picture of the view alike. How
a picture is resized, padded, mirrored and jittered its `Modality` says; labels take the nearest
value, since a mean of two classes is neither.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cv2
import numpy as np

from cen_keras.data.labels import IGNORE
from cen_keras.data.normalization import Normalization
from cen_keras.errors import InputError
from cen_keras.field_types import check_fields
from cen_keras.modalities import Modality, modality_of

__all__ = ["Augmentation", "Known", "Normalization", "View"]

View = dict[str, Any]
"""Name -> picture or label, as `Views` gives them."""

LABEL = "label"
MOST = 100.0
"""Largest factor of a scale."""
MOST_JITTER = 3.0
"""Largest strength of a jitter: a factor of 20."""


class Known(dict):
    """What is known of a view's pictures: name -> `Modality`; others are looked up by their name.

    Args:
        modalities: those that differ from the ready ones.
        ignore: label outside the picture.
    """

    def __init__(self, modalities: Iterable[Modality] = (), ignore: int = IGNORE):
        super().__init__({modality.name: modality for modality in modalities})
        self.ignore = ignore
        self[LABEL] = Modality(LABEL, channels=1, interpolation="nearest", padding=float(ignore))

    def __missing__(self, name: str) -> Modality:
        return modality_of(name)


def mirror(view: View, known: Mapping[str, Modality] | None = None) -> View:
    """Left becomes right; vectors are turned along."""
    known = known or Known()
    return {name: known[name].mirrored(picture) for name, picture in view.items()}


def resize(view: View, size: tuple[int, int], known: Mapping[str, Modality] | None = None) -> View:
    """Resizes every picture of a view.

    Args:
        view: pictures of one height and width.
        size: the new height and width, pixels.
        known: of the pictures.

    Returns:
        smooth pictures as their modality says when they grow, by area when they shrink; the others
        nearest (half-pixel centres).
    """
    known = known or Known()
    height, width = next(iter(view.values())).shape[:2]
    if (height, width) == tuple(size):
        return dict(view)
    rows, columns = nearest((height, width), size)
    return {
        name: picture[rows, columns]
        if known[name].interpolation == "nearest"
        else resize_smooth(picture, size, known[name].interpolation)
        for name, picture in view.items()
    }


_GROWING = {"bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
_OPENCV_CHANNELS = 4


def resize_smooth(picture: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    """Resizes (h, w) or (h, w, channels): by area where the height shrinks.

    Args:
        picture: of any number of channels and any dtype; whole numbers are rounded.
        size: height and width, pixels.
        interpolation: "bilinear" or "cubic", where it grows.

    Returns:
        the same dtype.
    """
    how = cv2.INTER_AREA if size[0] < picture.shape[0] else _GROWING[interpolation]
    return by_opencv(
        picture, lambda planes: cv2.resize(planes, (size[1], size[0]), interpolation=how)
    )


def resize_batch(modality: Modality, pictures: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a batch of pictures as their modality wants it: nearest, or smooth and by area where they shrink.

    Args:
        modality: of the pictures.
        pictures: (b, h, w, channels).
        size: height and width, pixels.
    """
    height, width = pictures.shape[1:3]
    if (height, width) == tuple(size):
        return pictures
    if modality.interpolation != "nearest":
        return np.stack([resize_smooth(x, size, modality.interpolation) for x in pictures])
    rows, columns = nearest((height, width), size)
    return pictures[:, rows, columns]


def nearest(old: tuple[int, int], new: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows, (h, 1), and columns, (w,), of the pixels whose areas hold the centres of the new ones."""
    rows, columns = (
        np.minimum(((np.arange(side) + 0.5) * was / side).astype(np.int64), was - 1)
        for was, side in zip(old, new, strict=True)
    )
    return rows[:, None], columns


def by_opencv(picture: np.ndarray, resize: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Resizes a picture of any number of channels and any dtype with a function that takes few.

    Args:
        picture: (h, w) or (h, w, channels).
        resize: of uint8, uint16 or float32 (h, w, up to 4).

    Returns:
        the picture's dtype; whole numbers are rounded.
    """
    bare = picture.ndim == 2
    planes = picture[..., None] if bare else picture
    if planes.dtype not in (np.uint8, np.uint16, np.float32):
        planes = planes.astype(np.float32)
    groups = []
    for first in range(0, planes.shape[-1], _OPENCV_CHANNELS):
        group = resize(np.ascontiguousarray(planes[..., first : first + _OPENCV_CHANNELS]))
        # OpenCV drops the axis of a single channel.
        groups.append(group[..., None] if group.ndim == 2 else group)
    result = groups[0] if len(groups) == 1 else np.concatenate(groups, axis=-1)
    if result.dtype != picture.dtype:
        result = cast(result, picture.dtype)
    return result[..., 0] if bare else result


def cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Floats as another dtype; whole numbers are rounded and held inside their range."""
    if np.dtype(dtype).kind in "iu":
        span = np.iinfo(dtype)
        # The largest int32 is no float32.
        wide = values.astype(np.float64) if span.bits > 16 else values
        values = np.clip(np.round(wide), span.min, span.max)
    elif np.dtype(dtype).kind == "b":
        values = values >= 0.5
    return values.astype(dtype)


def crop(
    view: View,
    top: int,
    left: int,
    size: tuple[int, int],
    known: Mapping[str, Modality] | None = None,
) -> View:
    """Cuts a window out of every picture; what lies outside is filled.

    Args:
        view: pictures of one height and width.
        top: first row; may be negative.
        left: first column; may be negative.
        size: height and width of the window, pixels.
        known: of the pictures.

    Returns:
        windows; outside is each modality's padding, and the ignored label.
    """
    known = known or Known()
    result = {}
    for name, picture in view.items():
        height, width = picture.shape[:2]
        y0, y1 = max(top, 0), min(top + size[0], height)
        x0, x1 = max(left, 0), min(left + size[1], width)
        padding = known[name].filling(known[name].padding, picture.dtype)
        window = filled(picture, size, padding)
        if y0 < y1 and x0 < x1:
            window[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
        result[name] = window
    return result


def filled(picture: np.ndarray, size: tuple[int, int], padding: Any) -> np.ndarray:
    """A picture of another size and one value: (*size, channels) of the picture's dtype, or int32
    where that cannot hold a label.
    """
    dtype = picture.dtype
    if np.ndim(padding) and picture.ndim == 2:
        padding = padding[0]
    if dtype.kind in "iu":
        span = np.iinfo(dtype)
        if not (span.min <= np.min(padding) and np.max(padding) <= span.max):
            dtype = np.dtype(np.int32)
    window = np.zeros((*size, *picture.shape[2:]), dtype)
    window[:] = padding
    return window


def scale_and_crop(
    view: View,
    rng: np.random.Generator,
    size: tuple[int, int],
    scale: tuple[float, float] = (0.5, 2.0),
    known: Mapping[str, Modality] | None = None,
) -> View:
    """Zooms by a random factor and cuts a random window.

    Depth is not divided by the factor: the reference does not, and a zoomed picture is one through
    a longer lens.

    Args:
        view: pictures of one height and width.
        rng: draws the factor (log-uniform) and the place.
        size: height and width of the window, pixels.
        scale: least and largest factor; 1 keeps the picture's own pixels.
        known: of the pictures.
    """
    height, width = next(iter(view.values())).shape[:2]
    factor = math.exp(rng.uniform(math.log(scale[0]), math.log(scale[1])))
    new = (max(1, round(height * factor)), max(1, round(width * factor)))
    zoomed = resize(view, new, known)
    top, left = (_offset(rng, new[i] - size[i]) for i in (0, 1))
    return crop(zoomed, top, left, size, known)


def _offset(rng: np.random.Generator, slack: int) -> int:
    """A place for a window that has `slack` pixels to spare, or lacks them."""
    draw = int(rng.integers(0, abs(slack) + 1))
    return draw if slack >= 0 else -draw


def jitter_colour(
    view: View, rng: np.random.Generator, strength: float = 0.3, name: str = "rgb"
) -> View:
    """Changes brightness, contrast, saturation and white balance by about `strength`.

    Args:
        view: holds the picture, (h, w, 3).
        rng: draws six numbers.
        strength: 0.3 is a factor of 0.74 to 1.35.
        name: of the picture.
    """
    picture = view[name]
    rgb = picture.astype(np.float32)
    brightness, contrast, saturation = np.exp(rng.uniform(-strength, strength, 3))
    balance = np.exp(rng.uniform(-strength, strength, 3) / 4)
    grey = rgb @ np.float32([0.299, 0.587, 0.114])
    rgb = grey[..., None] + (rgb - grey[..., None]) * np.float32(saturation)
    middle = grey.mean()
    rgb = (middle + (rgb - middle) * np.float32(contrast)) * (brightness * balance)
    return view | {name: cast(rgb, picture.dtype)}


def jitter_intensity(
    view: View, rng: np.random.Generator, strength: float, name: str, missing: float | None = None
) -> View:
    """Changes brightness and contrast of pictures of any channels; missing pixels stay as they are."""
    picture = view[name]
    x = picture.astype(np.float32)
    brightness, contrast = np.exp(rng.uniform(-strength, strength, 2))
    middle = x.mean()
    changed = cast((middle + (x - middle) * np.float32(contrast)) * brightness, picture.dtype)
    if missing is not None:
        changed = np.where(picture == missing, picture, changed)
    return view | {name: changed}


def jitter_depth(
    view: View,
    rng: np.random.Generator,
    strength: float = 0.05,
    name: str = "depth",
    missing: float = 0.0,
) -> View:
    """Scales depth by up to `strength`, adds noise that grows with z^2; missing stays missing."""
    depth = view[name]
    factor = np.float32(np.exp(rng.uniform(-strength, strength)))
    noise = rng.standard_normal(depth.shape, dtype=np.float32) * np.float32(0.002) * depth**2
    changed = np.maximum(depth * factor + noise, np.float32(1e-3))
    return view | {name: np.where(depth > 0, changed, np.float32(missing))}


def drop_modality(
    view: View, rng: np.random.Generator, known: Mapping[str, Modality] | None = None
) -> View:
    """Blanks one modality, as an unplugged camera gives it; labels stay, and so do all the others."""
    known = known or Known()
    names = sorted(set(view) - {LABEL})
    if len(names) < 2:
        return view
    lost = names[int(rng.integers(len(names)))]
    blank = known[lost].filling(known[lost].blank, view[lost].dtype)
    return view | {lost: np.full_like(view[lost], blank)}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Mirror, scale and crop, colour jitter, depth noise and modality dropout, in this order.

    Attributes:
        size: height and width of what comes out, pixels; None keeps the view's size.
        scale: least and largest factor that a picture is resized by before a window of `size` is cut out of it: 1
            keeps its own pixels, and a picture that comes out smaller than the window is padded. None: no window,
            the whole picture is resized to `size`.
        mirror: whether half of the views are mirrored.
        colour: strength of the jitter of colours and intensities, 0 for none.
        depth: strength of the depth jitter, 0 for none.
        modality_dropout: probability that a view loses one of its modalities, each as likely as the
            others: teaches every stream to go on when a camera fails. 0 for none.
        known: of the pictures; the loader says it with `for_data`.
    """

    size: tuple[int, int] | None = None
    scale: tuple[float, float] | None = (0.75, 1.5)
    mirror: bool = True
    colour: float = 0.3
    depth: float = 0.05
    modality_dropout: float = 0.0
    known: Known = dataclasses.field(default_factory=Known, repr=False, compare=False)

    def __post_init__(self):
        check_fields(self, "augmentation.")
        if self.size is not None and min(self.size) < 1:
            raise InputError(
                f"augmentation: size is {list(self.size)}; give [height, width], pixels, or null."
            )
        if self.scale is not None and not 0 < self.scale[0] <= self.scale[1] <= MOST:
            raise InputError(
                f"augmentation: scale is {list(self.scale)}; give [least, largest], above 0, to {MOST:g}, or null."
            )
        for name in ("colour", "depth"):
            if not 0 <= getattr(self, name) <= MOST_JITTER:
                raise InputError(
                    f"augmentation: {name} is {getattr(self, name)}; give a strength, 0 to {MOST_JITTER}."
                )
        if not 0 <= self.modality_dropout <= 1:
            raise InputError(
                f"augmentation: modality_dropout is {self.modality_dropout}; give a probability, "
                "0 to 1."
            )

    def for_data(self, modalities: Iterable[Modality], ignore: int) -> "Augmentation":
        """The same for pictures of these modalities and this ignored label."""
        return dataclasses.replace(self, known=Known(modalities, ignore))

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """The view as the net sees it this time: a function of the view and the state of `rng`."""
        known = self.known
        if self.mirror and rng.random() < 0.5:
            view = mirror(view, known)
        size = tuple(self.size or next(iter(view.values())).shape[:2])
        if self.scale is None:
            view = resize(view, size, known)
        else:
            view = scale_and_crop(view, rng, size, self.scale, known)
        view = self._jittered(view, rng)
        # Drawn last and only when wanted: without it a seed gives the same pictures as ever.
        if self.modality_dropout and rng.random() < self.modality_dropout:
            view = drop_modality(view, rng, known)
        return view

    def _jittered(self, view: View, rng: np.random.Generator) -> View:
        """Colours first, then depths, then intensities, by name: independent of the view's order."""
        kinds = {name: self.known[name].jitter for name in sorted(view)}
        for name in (name for name, kind in kinds.items() if kind == "colour" and self.colour):
            if view[name].shape[2:] == (3,):
                view = jitter_colour(view, rng, self.colour, name)
            else:
                view = jitter_intensity(view, rng, self.colour, name)
        for name in (name for name, kind in kinds.items() if kind == "depth" and self.depth):
            view = jitter_depth(view, rng, self.depth, name, self.known[name].blank)
        for name in (name for name, kind in kinds.items() if kind == "intensity" and self.colour):
            view = jitter_intensity(view, rng, self.colour, name, self.known[name].missing)
        return view
