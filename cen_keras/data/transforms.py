"""What happens between a view and the net: augmentation and normalisation.

Augmentations take a view and an explicit generator and change every picture of the view alike:
colour is resized cubically (by area when it shrinks), depth and labels take the nearest value,
since a mean of two depths or two classes is neither. Geometry that is not the camera's (normals) is
turned along.
"""

import dataclasses
import math
from typing import Any

import cv2
import numpy as np

from cen_keras.data.labels import IGNORE
from cen_keras.errors import InputError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

View = dict[str, Any]

_SMOOTH = ("rgb", "reshading")
"""Pictures that may be interpolated; everything else takes the nearest value."""


@dataclasses.dataclass(frozen=True)
class Normalization:
    """What a net is fed: `(x * scale - mean) / std` for each modality.

    Attributes:
        scale: factor for each modality, by name.
        mean: one number for each channel, in the unit of `x * scale`.
        std: the same.
    """

    scale: dict[str, float]
    mean: dict[str, tuple[float, ...]]
    std: dict[str, tuple[float, ...]]

    @classmethod
    def default(cls, depth_mean: float = 0.0, depth_std: float = 1.0) -> "Normalization":
        """ImageNet's mean and deviation for rgb; metres, shifted and scaled, for depth."""
        return cls(
            {"rgb": 1 / 255, "depth": 1.0},
            {"rgb": IMAGENET_MEAN, "depth": (float(depth_mean),)},
            {"rgb": IMAGENET_STD, "depth": (float(depth_std),)},
        )

    @classmethod
    def from_json(cls, told: dict[str, dict]) -> "Normalization":
        """Reads what `to_json` wrote.

        Raises:
            InputError: a modality lacks a number, or a deviation is not above 0.
        """
        for name, numbers in told.items():
            missing = {"scale", "mean", "std"} - set(numbers)
            if missing:
                raise InputError(f"normalization of {name!r} lacks {sorted(missing)[0]!r}.")
            if min(numbers["std"]) <= 0:
                raise InputError(
                    f"normalization of {name!r}: std is {numbers['std']}, must be above 0."
                )
        return cls(
            {name: float(numbers["scale"]) for name, numbers in told.items()},
            {name: tuple(map(float, numbers["mean"])) for name, numbers in told.items()},
            {name: tuple(map(float, numbers["std"])) for name, numbers in told.items()},
        )

    def to_json(self) -> dict[str, dict]:
        """A dict of numbers and lists, as `data.json` and the manifests hold it."""
        return {
            name: {
                "scale": self.scale[name],
                "mean": list(self.mean[name]),
                "std": list(self.std[name]),
            }
            for name in self.scale
        }

    def __call__(self, name: str, picture: np.ndarray) -> np.ndarray:
        """Normalises one picture.

        Args:
            name: its modality.
            picture: (..., h, w) or (..., h, w, channels); depth in metres, where missing depth is 0
                metres before and the image of 0 metres after.

        Returns:
            float32 (..., h, w, channels).

        Raises:
            InputError: there are no numbers for this modality.
        """
        if name not in self.scale:
            raise InputError(
                f"no normalization for modality {name!r}; there is one for {', '.join(self.scale)}."
            )
        mean = np.asarray(self.mean[name], np.float32)
        std = np.asarray(self.std[name], np.float32)
        x = np.asarray(picture, np.float32)
        # Pictures of one channel come without a channel axis.
        if len(mean) == 1 and x.shape[-1] != 1:
            x = x[..., None]
        return (x * np.float32(self.scale[name]) - mean) / std


def mirror(view: View) -> View:
    """Left becomes right; normals are turned along."""
    turned = {name: np.ascontiguousarray(picture[:, ::-1]) for name, picture in view.items()}
    if "normal" in turned:
        turned["normal"] = turned["normal"] * np.float32([-1, 1, 1])
    return turned


def resize(view: View, size: tuple[int, int]) -> View:
    """Resizes every picture of a view.

    Args:
        view: pictures of one height and width.
        size: the new height and width, pixels.

    Returns:
        rgb and reshading cubic when they grow, by area when they shrink; all others nearest
        (half-pixel centres).
    """
    height, width = next(iter(view.values())).shape[:2]
    if (height, width) == tuple(size):
        return dict(view)
    rows = np.minimum(((np.arange(size[0]) + 0.5) * height / size[0]).astype(np.int64), height - 1)
    columns = np.minimum(((np.arange(size[1]) + 0.5) * width / size[1]).astype(np.int64), width - 1)
    smooth = cv2.INTER_AREA if size[0] < height else cv2.INTER_CUBIC
    return {
        name: cv2.resize(picture, (size[1], size[0]), interpolation=smooth)
        if name in _SMOOTH
        else picture[rows[:, None], columns]
        for name, picture in view.items()
    }


def crop(view: View, top: int, left: int, size: tuple[int, int]) -> View:
    """Cuts a window out of every picture; what lies outside is filled.

    Args:
        view: pictures of one height and width.
        top: first row; may be negative.
        left: first column; may be negative.
        size: height and width of the window, pixels.

    Returns:
        windows; outside rgb is the mean colour of ImageNet, label `IGNORE` and everything else 0
        (depth: missing).
    """
    result = {}
    for name, picture in view.items():
        height, width = picture.shape[:2]
        y0, y1 = max(top, 0), min(top + size[0], height)
        x0, x1 = max(left, 0), min(left + size[1], width)
        window = np.zeros((*size, *picture.shape[2:]), picture.dtype)
        if name == "rgb":
            window[:] = np.round(np.array(IMAGENET_MEAN) * 255)
        elif name == "label":
            window[:] = IGNORE
        if y0 < y1 and x0 < x1:
            window[y0 - top : y1 - top, x0 - left : x1 - left] = picture[y0:y1, x0:x1]
        result[name] = window
    return result


def scale_and_crop(
    view: View,
    rng: np.random.Generator,
    size: tuple[int, int],
    scale: tuple[float, float] = (0.5, 2.0),
) -> View:
    """Zooms by a random factor and cuts a random window.

    Depth is not divided by the factor: the reference does not, and a zoomed picture is one through
    a longer lens.

    Args:
        view: pictures of one height and width.
        rng: draws the factor (log-uniform) and the place.
        size: height and width of the window, pixels.
        scale: least and largest factor, relative to the size at which the whole picture just fills
            the window.
    """
    height, width = next(iter(view.values())).shape[:2]
    fill = max(size[0] / height, size[1] / width)
    factor = fill * math.exp(rng.uniform(math.log(scale[0]), math.log(scale[1])))
    new = (max(1, round(height * factor)), max(1, round(width * factor)))
    zoomed = resize(view, new)
    top, left = (_offset(rng, new[i] - size[i]) for i in (0, 1))
    return crop(zoomed, top, left, size)


def _offset(rng: np.random.Generator, slack: int) -> int:
    """A place for a window that has `slack` pixels to spare, or lacks them."""
    draw = int(rng.integers(0, abs(slack) + 1))
    return draw if slack >= 0 else -draw


def jitter_colour(view: View, rng: np.random.Generator, strength: float = 0.3) -> View:
    """Changes brightness, contrast, saturation and white balance of rgb by about `strength`."""
    rgb = view["rgb"].astype(np.float32)
    brightness, contrast, saturation = np.exp(rng.uniform(-strength, strength, 3))
    balance = np.exp(rng.uniform(-strength, strength, 3) / 4)
    grey = rgb @ np.float32([0.299, 0.587, 0.114])
    rgb = grey[..., None] + (rgb - grey[..., None]) * np.float32(saturation)
    middle = grey.mean()
    rgb = (middle + (rgb - middle) * np.float32(contrast)) * (brightness * balance)
    return view | {"rgb": np.clip(np.round(rgb), 0, 255).astype(np.uint8)}


def jitter_depth(view: View, rng: np.random.Generator, strength: float = 0.05) -> View:
    """Scales depth by up to `strength`, adds noise that grows with z^2; missing stays missing."""
    depth = view["depth"]
    factor = np.float32(np.exp(rng.uniform(-strength, strength)))
    noise = rng.standard_normal(depth.shape, dtype=np.float32) * np.float32(0.002) * depth**2
    changed = np.maximum(depth * factor + noise, np.float32(1e-3))
    return view | {"depth": np.where(depth > 0, changed, np.float32(0))}


def drop_modality(view: View, rng: np.random.Generator) -> View:
    """Zeroes one modality, as an unplugged camera gives it; labels stay, and so do all the others."""
    names = sorted(set(view) - {"label"})
    if len(names) < 2:
        return view
    lost = names[int(rng.integers(len(names)))]
    return view | {lost: np.zeros_like(view[lost])}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Mirror, scale and crop, colour jitter, depth noise and modality dropout, in this order.

    Attributes:
        size: height and width of what comes out, pixels; None keeps the view's size.
        scale: least and largest zoom; (1, 1) for none.
        mirror: whether half of the views are mirrored.
        colour: strength of the colour jitter, 0 for none.
        depth: strength of the depth jitter, 0 for none.
        modality_dropout: probability that a view loses one of its modalities, each as likely as the
            others: teaches every stream to go on when a camera fails. 0 for none.
    """

    size: tuple[int, int] | None = None
    scale: tuple[float, float] = (0.75, 1.5)
    mirror: bool = True
    colour: float = 0.3
    depth: float = 0.05
    modality_dropout: float = 0.0

    def __post_init__(self):
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(
                f"augmentation: scale is {list(self.scale)}; give [least, largest], both above 0."
            )
        if not 0 <= self.modality_dropout <= 1:
            raise InputError(
                f"augmentation: modality_dropout is {self.modality_dropout}; give a probability, "
                "0 to 1."
            )

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """The view as the net sees it this time: a function of the view and the state of `rng`."""
        if self.mirror and rng.random() < 0.5:
            view = mirror(view)
        size = self.size or next(iter(view.values())).shape[:2]
        if self.scale != (1, 1):
            view = scale_and_crop(view, rng, tuple(size), self.scale)
        else:
            view = resize(view, tuple(size))
        if self.colour and "rgb" in view:
            view = jitter_colour(view, rng, self.colour)
        if self.depth and "depth" in view:
            view = jitter_depth(view, rng, self.depth)
        # Drawn last and only when wanted: without it a seed gives the same pictures as ever.
        if self.modality_dropout and rng.random() < self.modality_dropout:
            view = drop_modality(view, rng)
        return view
