"""Translation in the demo: a view's domains as the network is fed them, and images as pictures.

A domain's image is on the scale of 8-bit pictures, 0 to 255, which the manifest's normalisation
brings to what the network was trained on. Where 8 bits are too coarse it is float32 and not
rounded: depth's scale is logarithmic, and one step of it would be 4 % of the distance.
"""

from __future__ import annotations

from typing import Iterable

import numpy as np

from ..runtime.manifest import Manifest
from ..runtime.pictures import depth_picture
from ..runtime.preprocess import Frame

DEPTHS = ("depth", "depth_euclidean", "depth_zbuffer")
_JOINED = "-"
# Taskonomy's counts per metre, and what its logarithm is divided by: the training's scale.
_COUNTS, _LOG_MAX = 512, 11.1


def parts_of(manifest: Manifest) -> tuple[str, ...]:
    """The domains that an artifact's inputs need; "rgb-reshading" is two, joined by channel."""
    return tuple(dict.fromkeys(part for name in manifest.inputs for part in name.split(_JOINED)))


def joined(frame: Frame, inputs: Iterable[str]) -> Frame:
    """The frame with an image for every input.

    Args:
        frame: with an image of every domain.
        inputs: names of the artifact's inputs.
    """
    images = {}
    for name in inputs:
        parts = [frame.images[part] for part in name.split(_JOINED)]
        images[name] = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
    return Frame(frame.name, images)


def blank(manifest: Manifest) -> Frame:
    """A black view, uint8, at the network's size."""
    height, width = manifest.image_shape
    return Frame(
        "blank", {part: np.zeros((height, width, 3), np.uint8) for part in parts_of(manifest)}
    )


def depth_image(metres: np.ndarray) -> np.ndarray:
    """Depth as the network is fed it.

    Args:
        metres: (h, w), 0 = missing.

    Returns:
        float32 (h, w, 3), 0 to 255, logarithmic; 0 where depth is missing.
    """
    share = np.log1p(np.maximum(metres, 0) * np.float32(_COUNTS)) / np.float32(_LOG_MAX)
    scaled = np.clip(share, 0, 1).astype(np.float32) * np.float32(255)
    return np.repeat(scaled[..., None], 3, axis=-1)


def metres_of(image: np.ndarray) -> np.ndarray:
    """The way back from `depth_image`: float32 (h, w) of the channels' mean.

    Less than one of Taskonomy's counts, 2 mm, is missing: a network hardly gives an exact 0.
    """
    share = np.asarray(image, np.float32).mean(-1) / np.float32(255)
    counts = np.expm1(share * np.float32(_LOG_MAX))
    return np.where(counts < 1, 0, counts / _COUNTS).astype(np.float32)


def panels(
    frame: Frame, image: np.ndarray, manifest: Manifest, shown: str
) -> list[tuple[str, np.ndarray]]:
    """A view's domains and the image made of them.

    Args:
        frame: with an image of every domain.
        image: float32 (h, w, c), 0 to 255, of one or three channels.
        manifest: names the inputs and the domain of the output.
        shown: name of the output, for the title.

    Returns:
        (title, uint8 (h, w, 3)) from left to right.
    """
    given = [(part, frame.images[part]) for part in parts_of(manifest)]
    row = [(_title(domain, picture), _picture(domain, picture)) for domain, picture in given]
    made = manifest.domain or "output"
    return [*row, (f"{_title(made, image)} ({shown})", _picture(made, image))]


def _title(domain: str, image: np.ndarray) -> str:
    if domain not in DEPTHS:
        return domain
    metres = metres_of(image)
    known = metres[metres > 0]
    return f"{domain}, median {np.median(known):.1f} m" if known.size else f"{domain} (missing)"


def _picture(domain: str, image: np.ndarray) -> np.ndarray:
    """An image of one or three channels, 0 to 255, as uint8 (h, w, 3)."""
    if domain in DEPTHS:
        return depth_picture(metres_of(image))
    if image.shape[-1] == 1:
        # The ramp's bright end stands for small numbers, of depth; here for large ones.
        return depth_picture(256 - image[..., 0].astype(np.float32), 1.0, 256.0)
    return np.rint(image).astype(np.uint8)
