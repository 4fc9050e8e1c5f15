"""The augmentation of CEN's official code, step by step, each of its quirks an option.

    scale by s ~ U(0.5, 2), but so that the short side is at least 350
    pad to 500 where a side is shorter
    mirror every other view
    cut a window of 500 at random

Before it the reader has cut the pictures to their mask; after it the loader normalises. It differs
from `transforms.Augmentation` in that the factor is uniform, not log-uniform, colour and depth are
left alone, and a picture smaller than the window is padded around its middle.

The official code draws from NumPy's global generator in 16 forked workers that are seeded alike, so
its workers repeat each other; here every view has its own generator.
"""

import dataclasses
from collections.abc import Iterable

import cv2
import numpy as np

from cen_keras.data import transforms
from cen_keras.data.transforms import Known, View
from cen_keras.errors import InputError
from cen_keras.field_types import check_fields
from cen_keras.modalities import Modality

PADDING_RGB = (123, 116, 103)
"""ImageNet's mean colour as the official code pads with: cut to whole numbers by uint8 arrays."""

PADDING_DEPTH = 114 / 5000
"""Metres. The official code pads the three equal channels of depth with 123, 116 and 103 counts of
1/5000 m, as if they were colours; a stream of one channel gets their mean."""


@dataclasses.dataclass(frozen=True)
class OfficialAugmentation:
    """Scale, pad, mirror, crop: a function `(view, rng) -> view` for the loader.

    Attributes:
        size: side of the window, pixels; odd sizes are lowered by one, as in the official code.
        scale: least and largest factor, drawn uniformly.
        short_side: least short side after scaling, pixels; a factor that gives less is raised.
        official_depth_padding: True pads depth with 0.0228 m, nearly as the official code does (see
            `PADDING_DEPTH`); False with 0, which means missing.
        official_nearest: True takes OpenCV's nearest for depth and labels, which reads from the
            upper left of each pixel and so shifts them by up to half a pixel against rgb; False
            takes the nearest centre.
        mirror: whether half of the views are mirrored.
        known: of the pictures; the loader says it with `for_data`.
    """

    size: int = 500
    scale: tuple[float, float] = (0.5, 2.0)
    short_side: int = 350
    official_depth_padding: bool = True
    official_nearest: bool = True
    mirror: bool = True
    known: Known = dataclasses.field(default_factory=Known, repr=False, compare=False)

    def __post_init__(self):
        check_fields(self, "augmentation.")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise InputError(
                f"augmentation: scale is {list(self.scale)}; give [least, largest], both above 0."
            )
        if self.size < 2 or self.short_side < 1:
            raise InputError(
                f"augmentation: size is {self.size}, short_side {self.short_side}; give at least 2 "
                "and 1 pixels."
            )

    def for_data(self, modalities: Iterable[Modality], ignore: int) -> "OfficialAugmentation":
        """The same for pictures of these modalities and this ignored label."""
        return dataclasses.replace(self, known=Known(modalities, ignore))

    def __call__(self, view: View, rng: np.random.Generator) -> View:
        """The view as the net sees it this time.

        Args:
            view: pictures of one height and width.
            rng: draws factor, mirroring and place, in this order.

        Returns:
            pictures of `size` x `size`.
        """
        view = self.scaled(view, self.factor(view, rng))
        size = self.size - self.size % 2
        view = self.padded(view, size)
        if self.mirror and rng.integers(2):
            view = transforms.mirror(view, self.known)
        height, width = next(iter(view.values())).shape[:2]
        top = int(rng.integers(height - size + 1))
        left = int(rng.integers(width - size + 1))
        return {
            name: np.ascontiguousarray(picture[top : top + size, left : left + size])
            for name, picture in view.items()
        }

    def factor(self, view: View, rng: np.random.Generator) -> float:
        """Draws the factor and raises it where the short side would become too short."""
        short = min(next(iter(view.values())).shape[:2])
        return max(float(rng.uniform(*self.scale)), self.short_side / short)

    def scaled(self, view: View, factor: float) -> View:
        """Resizes: what is smooth cubic, everything else nearest.

        Args:
            view: pictures of one height and width.
            factor: new size through old; sizes are rounded.

        Returns:
            the resized pictures.
        """
        smooth = {name for name in view if self.known[name].interpolation != "nearest"}
        result = {name: _resize(view[name], factor, cv2.INTER_CUBIC) for name in smooth}
        rest = {name: picture for name, picture in view.items() if name not in smooth}
        if self.official_nearest:
            result |= {n: _resize(x, factor, cv2.INTER_NEAREST) for n, x in rest.items()}
        elif rest:
            height, width = next(iter(view.values())).shape[:2]
            size = (round(height * factor), round(width * factor))
            result |= transforms.resize(rest, size, self.known)
        return {name: result[name] for name in view}

    def padded(self, view: View, size: int) -> View:
        """Pads every side that is shorter than `size`, equally on both ends.

        Where an odd number of pixels is lacking the result is one larger than `size`, as in the
        official code; the window that is cut next sees to it.
        """
        height, width = next(iter(view.values())).shape[:2]
        rows, columns = (max(0, (size - side + 1) // 2) for side in (height, width))
        if not rows and not columns:
            return view
        result = {}
        for name, picture in view.items():
            size = (height + 2 * rows, width + 2 * columns)
            padding = self.known[name].filling(self._padding(name), picture.dtype)
            result[name] = transforms.filled(picture, size, padding)
            result[name][rows : rows + height, columns : columns + width] = picture
        return result

    def _padding(self, name: str) -> float | tuple[float, ...]:
        """Of colour and depth as in the official code, which knows no others."""
        modality = self.known[name]
        if modality.jitter == "colour" and modality.channels == len(PADDING_RGB):
            return PADDING_RGB
        if modality.jitter == "depth":
            return PADDING_DEPTH if self.official_depth_padding else modality.padding
        return modality.padding


def _resize(picture: np.ndarray, factor: float, interpolation: int) -> np.ndarray:
    # By factor, not by size: OpenCV then samples at exact multiples of 1 / factor.
    return transforms.by_opencv(
        picture,
        lambda planes: cv2.resize(planes, None, fx=factor, fy=factor, interpolation=interpolation),
    )
