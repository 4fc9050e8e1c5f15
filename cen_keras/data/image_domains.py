"""Image domains for translation: every picture of a view as an image of three channels in -1..1.

Taskonomy's domains (rgb, normal, reshading, depth, edges, curvature) come in different types and
units. Here each becomes what a Translator reads and writes: float32 (h, w, 3) in -1..1, a domain of
one channel repeated three times as in the official code. Units and scales:

    uint8 pictures            x / 127.5 - 1
    normal                    as it is, -1..1 in the camera's frame
    reshading, edges          0..1 stretched to -1..1
    depth                     log(1 + 512 m) / 11.1, stretched: the official scale of Taskonomy's
                              counts of 1/512 m; missing depth, 0 m, is -1
    principal_curvature       k / (k + 10 per metre), stretched; the third channel is -1

A name with "-" stands for domains joined along the channels: "rgb-reshading" has six. So early
fusion by concatenation, with which CEN is compared, is a Translator of one modality.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from cen_keras.data.datasets import open_dataset
from cen_keras.data.normalization import Normalization
from cen_keras.data.views import Views
from cen_keras.errors import InputError
from cen_keras.field_types import check_fields
from cen_keras.modalities import READY, Modality, modality_of, several

JOINED = "-"
CHANNELS = 3
DEPTH_COUNTS = 512
"""Taskonomy's counts per metre."""
DEPTH_LOG_MAX = 11.1
"""What the official code divides log(1 + counts) by; log(65536) is 11.09."""
CURVATURE_MIDDLE = 10.0
"""1/m; the curvature in the middle of the scale, of a ball of 10 cm."""


def parts_of(name: str) -> tuple[str, ...]:
    """Returns the domains that a name stands for: ("rgb", "reshading") of "rgb-reshading"."""
    return tuple(name.split(JOINED))


def to_image(domain: str, picture: np.ndarray) -> np.ndarray:
    """Turns a picture of one domain into an image.

    Args:
        domain: its name.
        picture: uint8 (h, w, 3), or float32 in the domain's unit as rooms and Taskonomy give it:
            (h, w) or (h, w, channels).

    Returns:
        float32 (h, w, 3), -1..1.

    Raises:
        InputError: a float picture of a domain that has no scale here, or a grey uint8 picture.
    """
    if picture.dtype == np.uint8:
        if picture.ndim != 3 or picture.shape[2] != CHANNELS:
            raise InputError(
                f"{domain}: an 8-bit picture has three channels; found shape {picture.shape}."
            )
        return picture.astype(np.float32) / np.float32(127.5) - 1
    modality = modality_of(domain)
    picture = modality.finite(picture, domain)
    if modality.stretch == "signed":
        return np.clip(picture, -1, 1).astype(np.float32)
    if modality.stretch == "log":
        share = np.log1p(np.maximum(picture, 0) * np.float32(DEPTH_COUNTS)) / DEPTH_LOG_MAX
    elif domain in READY and modality.stretch == "unit":
        share = picture
    elif modality.stretch == "ratio":
        share = np.zeros((*picture.shape[:2], CHANNELS), np.float32)
        positive = np.maximum(picture, 0)
        share[..., :2] = positive / (positive + CURVATURE_MIDDLE)
    else:
        raise InputError(f"{domain}: has no scale as an image; see cen_keras.data.image_domains.")
    image = np.clip(share, 0, 1).astype(np.float32) * 2 - 1
    return np.repeat(image[..., None], CHANNELS, -1) if image.ndim == 2 else image


def resize_image(image: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resizes (h, w, c) floats to (*size, c) as Pillow does: bilinear, averaging when it shrinks."""
    if image.shape[:2] == tuple(size):
        return image
    shape = (int(size[1]), int(size[0]))
    channels = [
        np.asarray(Image.fromarray(image[..., c]).resize(shape, Image.Resampling.BILINEAR))
        for c in range(image.shape[2])
    ]
    return np.stack(channels, axis=-1)


class DomainViews(Views):
    """The views of a data set as images for a Translator.

    A view is a dict: domain name, joined ones included -> float32 (h, w, 3 per part), -1..1.

    Args:
        views: gives the pictures, as `RoomViews` and `TaskonomyViews` do.
        domains: names of the domains wanted; parts joined with "-".
        size: height and width to resize to; None keeps the pictures'.
    """

    def __init__(self, views: Views, domains: Iterable[str], size: Sequence[int] | None = None):
        self.views = views
        self.name = views.name
        self.domains = tuple(domains)
        self.size = None if size is None else tuple(size)

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads a view.

        Raises:
            IndexError: there is no such view.
            InputError: pictures of different sizes, or one that is no image.
        """
        pictures = self.views[index]
        images = {}
        for domain in dict.fromkeys(part for name in self.domains for part in parts_of(name)):
            if domain not in pictures:
                raise InputError(f"{self.source(index)}: has no {domain!r}.")
            images[domain] = to_image(domain, pictures[domain])
        sizes = {domain: image.shape[:2] for domain, image in images.items()}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{domain} {h}x{w}" for domain, (h, w) in sizes.items())
            raise InputError(
                f"{self.source(index)}: the images of a view must have one height and width; "
                f"found {listed}."
            )
        if self.size is not None:
            images = {name: resize_image(image, self.size) for name, image in images.items()}
        return {
            name: np.concatenate([images[part] for part in parts_of(name)], axis=-1)
            for name in self.domains
        }

    def source(self, index: int) -> str:
        """Where a view comes from."""
        return self.views.source(index)

    def prepare(self, progress: bool = True) -> None:
        """Fills the data set's cache, if it has one."""
        if hasattr(self.views, "prepare"):
            self.views.prepare(progress)


def open_domains(
    spec: dict, split: str, domains: Iterable[str], size: Sequence[int] | None = None
) -> DomainViews:
    """Opens a data set of `cen_keras.data.datasets` for translation.

    Args:
        spec: of `open_dataset`, of a data set with domains ("rooms", "taskonomy").
        split: "train", "val" or "test".
        domains: names of inputs and target, joined ones included.
        size: height and width to resize to, or None.

    Raises:
        InputError: the data set has no domains, its spec names other ones, or the data do not fit.
    """
    domains = tuple(domains)
    spec = {"name": spec} if isinstance(spec, str) else spec
    name = spec.get("name") if isinstance(spec, dict) else spec
    if name not in ("rooms", "taskonomy"):
        raise InputError(f"data set {name!r} has no domains to translate; take rooms or taskonomy.")
    wanted = list(dict.fromkeys(part for name in domains for part in parts_of(name)))
    given = spec.get("domains") or wanted
    if set(map(str, several(given))) != set(wanted):
        raise InputError(
            f"{name}: domains is {given!r}, but inputs and target are {', '.join(wanted)}; "
            "leave domains out, a translation reads those."
        )
    return DomainViews(open_dataset({**spec, "domains": wanted}, split), domains, size)


def image_normalization(domains: Iterable[str]) -> Normalization:
    """Returns the `Normalization` that leaves images as they are: they have their scale already."""
    return Normalization(image_modality(name) for name in domains)


def image_modality(name: str) -> Modality:
    """The modality of the images of a domain, or of several joined, on their scale of -1..1."""
    parts = [modality_of(part) for part in parts_of(name)]
    return Modality(
        name,
        channels=CHANNELS * len(parts),
        interpolation="bilinear",
        mirror=parts[0].mirror,
        values=(-1.0, 1.0),
        stretch="signed",
    )


@dataclasses.dataclass(frozen=True)
class ImageAugmentation:
    """Resize, random crop and mirror, as pix2pix: all images of a view alike.

    Attributes:
        resize: height and width, or one number for both, before the crop; None for none.
        crop: height and width, or one number for both, of the random window; None for none.
        mirror: whether half of the views are mirrored.
        turn_normals: whether the x component of mirrored normals changes its sign, as it should;
            the official code leaves it.
    """

    resize: int | tuple[int, int] | None = 286
    crop: int | tuple[int, int] | None = 256
    mirror: bool = True
    turn_normals: bool = True

    def __post_init__(self):
        check_fields(self, "augmentation.")
        for name in ("resize", "crop"):
            size = getattr(self, name)
            if size is not None and min(_both(size)) < 1:
                raise InputError(f"augmentation: {name} is {size}; give pixels, or null.")

    def __call__(
        self, view: dict[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """The view as the net sees it this time: a function of the view and the state of `rng`.

        Raises:
            InputError: the window is larger than the images.
        """
        if self.resize is not None:
            size = _both(self.resize)
            view = {name: resize_image(image, size) for name, image in view.items()}
        if self.crop is not None:
            height, width = next(iter(view.values())).shape[:2]
            rows, columns = _both(self.crop)
            if rows > height or columns > width:
                raise InputError(
                    f"augmentation: a window of {rows}x{columns} does not fit into images of "
                    f"{height}x{width}; take a smaller crop or a larger resize."
                )
            top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
            view = {
                name: image[top : top + rows, left : left + columns] for name, image in view.items()
            }
        if self.mirror and rng.random() < 0.5:
            view = {name: self._mirrored(name, image) for name, image in view.items()}
        return view

    def _mirrored(self, name, image):
        image = image[:, ::-1].copy()
        for index, part in enumerate(parts_of(name)):
            if modality_of(part).mirror == "negate_x" and self.turn_normals:
                image[..., CHANNELS * index] *= -1
        return image


def _both(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)
