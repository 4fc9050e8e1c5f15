"""Modality: all that is known of one kind of image.

Loader, augmentation, model, preset, manifest and the board's preprocessing read this one object; no
other module knows a modality by its name. `READY` has the usual ones. Another is made from scratch,
or from a ready one with what differs:

    Modality("polarisation", channels=2, mean=(0.5, 0.5), std=(0.25, 0.25))
    modality_of({"name": "depth", "limits": (1.0, 80.0), "mean": (20.0,), "std": (15.0,)})

A *view's* picture is what a reader gives: uint8 or uint16 counts where `unit_per_count` is None
(colour), float32 in `unit` where it is a number (depth). The network is fed

    (picture * scale - mean) / std

so `scale` belongs to pictures of a view, `unit_per_count` to files.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.vector_counts import decoded, encoded, negated

INTERPOLATIONS = ("nearest", "bilinear", "cubic")
MIRRORS = ("copy", "negate_x")
JITTERS = (None, "colour", "intensity", "depth")
STRETCHES = ("unit", "signed", "log", "ratio")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
IMAGENET_PADDING = (124.0, 116.0, 104.0)
"""ImageNet's mean colour in counts."""


@dataclasses.dataclass(frozen=True)
class Modality:
    """One kind of image.

    Attributes:
        name: key of the views, of the network's inputs and of its streams.
        channels: of a picture; one of one channel may come without the axis.
        unit: of the numbers in a view, "m" for metres; None where they are counts or shares.
        scale: factor of a view's picture on its way into the network.
        mean: for each channel, in the unit of `picture * scale`; empty for zeros.
        std: likewise, above 0; empty for ones.
        interpolation: how a picture grows: "cubic", "bilinear" or "nearest". The first two are
            averaged over areas when they shrink; a mean of two depths is neither of them.
        padding: value outside the picture, for all channels or for each, as in a view; of vectors in
            counts -1..1 stands for its count, so 0 for the middle one.
        missing: value in a view of pixels where nothing was measured; NaN and infinity become it.
            None: every pixel is measured, and NaN or infinity is an error.
        mirror: what mirroring does to the values: "copy", or "negate_x" for vectors, whose first
            component changes its sign.
        jitter: how augmentation changes the values: "colour" (brightness, contrast, saturation,
            white balance), "intensity" (brightness and contrast), "depth" (scale, and noise that
            grows with the square), or None.
        unit_per_count: unit of one count of a file of whole numbers; None keeps the counts.
        missing_counts: counts of a file that mean `missing`.
        limits: least and largest median of the known values of a picture, in `unit`; outside it
            the unit is taken to be wrong. None for no check.
        values: least and largest value that a view's picture can hold; None where unknown.
        aliases: other usual names of its folders and endings of its files.
        stretch: how float values become an image of -1..1 for a translation: "unit" (0..1
            stretched), "signed" (as they are), "log" (logarithm of metres), "ratio" (x / (x + 10)).

    Raises:
        InputError: a field that does not fit.
    """

    name: str
    channels: int = 3
    unit: str | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    interpolation: str = "bilinear"
    padding: float | tuple[float, ...] = 0.0
    missing: float | None = None
    mirror: str = "copy"
    jitter: str | None = None
    unit_per_count: float | None = None
    missing_counts: tuple[int, ...] = ()
    limits: tuple[float, float] | None = None
    values: tuple[float, float] | None = None
    stretch: str = "unit"
    aliases: tuple[str, ...] = ()

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"a modality's name is {self.name!r}; wanted a word.")
        if self.unit is not None and not isinstance(self.unit, str):
            self._refuse("unit", "a word, or null")
        whole = isinstance(self.channels, int | np.integer) and not isinstance(self.channels, bool)
        if not whole or self.channels < 1:
            self._refuse("channels", "a whole number from 1")
        for field, choice in (
            ("interpolation", INTERPOLATIONS),
            ("mirror", MIRRORS),
            ("jitter", JITTERS),
            ("stretch", STRETCHES),
        ):
            if getattr(self, field) not in choice:
                self._refuse(field, "one of " + ", ".join(map(str, choice)))
        self._set("channels", int(self.channels))
        self._set("scale", self._number("scale"))
        self._set("mean", self._columns("mean", 0.0))
        self._set("std", self._columns("std", 1.0))
        if min(self.std) <= 0 or self.scale == 0:
            self._refuse("std" if self.scale else "scale", "numbers above 0")
        if isinstance(self.padding, (list, tuple, np.ndarray)):
            self._set("padding", self._columns("padding", 0.0))
        else:
            self._set("padding", self._number("padding"))
        for field in ("missing", "unit_per_count"):
            if getattr(self, field) is not None:
                self._set(field, self._number(field))
        if self.unit_per_count is not None and self.unit_per_count <= 0:
            self._refuse("unit_per_count", "a number above 0")
        if isinstance(self.aliases, str) or not all(
            isinstance(a, str) for a in _list(self.aliases)
        ):
            self._refuse("aliases", "a list of words")
        self._set("aliases", tuple(_list(self.aliases)))
        counts = _numbers(self.missing_counts)
        if counts is None or any(count != int(count) for count in counts):
            self._refuse("missing_counts", "whole numbers")
        self._set("missing_counts", tuple(map(int, counts)))
        for field in ("limits", "values"):
            pair = getattr(self, field)
            if pair is None:
                continue
            pair = _numbers(pair)
            if pair is None or len(pair) != 2 or not pair[0] < pair[1]:
                self._refuse(field, "(least, largest)")
            self._set(field, pair)

    def _set(self, field: str, value: Any) -> None:
        object.__setattr__(self, field, value)

    def _refuse(self, field: str, wanted: str) -> None:
        raise InputError(
            f"modality {self.name!r}: {field} is {getattr(self, field)!r}; wanted {wanted}."
        )

    def _number(self, field: str) -> float:
        found = _numbers((getattr(self, field),))
        if found is None:
            self._refuse(field, "a number")
        return found[0]

    def _columns(self, field: str, default: float) -> tuple[float, ...]:
        """A number for each channel; one for all is repeated."""
        value = getattr(self, field)
        numbers = _numbers(value if isinstance(value, list | tuple | np.ndarray) else (value,))
        if numbers == ():
            return (default,) * self.channels
        if numbers is None or len(numbers) not in (1, self.channels):
            self._refuse(field, f"{self.channels} numbers, one for each channel")
        return numbers * (self.channels // len(numbers))

    def to_config(self) -> dict[str, Any]:
        """The fields as JSON holds them: numbers, words, lists and None."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Modality":
        """Reads what `to_config` wrote; fields left out are those of the ready one of that name.

        Raises:
            InputError: no name, an unknown field, or one that does not fit.
        """
        fields = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(config) - fields)
        if unknown or "name" not in config:
            found = f"the field {unknown[0]!r} is unknown" if unknown else "there is no name"
            raise InputError(
                f"modality {config.get('name', '')!r}: {found}; known are "
                f"{', '.join(sorted(fields))}."
            )
        name = config["name"]
        base = READY.get(name) if isinstance(name, str) else None
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
        if base is None:
            return cls(**given)
        if given.get("channels", base.channels) != base.channels:
            # Numbers for each of three channels are nothing for two.
            columns = {"mean": (), "std": (), "padding": np.mean(base.padding)}
            given = {**columns, **given}
        return dataclasses.replace(base, **given)

    @property
    def blank(self) -> float:
        """Value, as in a view, of a picture that is not there: a camera that was unplugged."""
        return 0.0 if self.missing is None else self.missing

    def counted_as(self, other: "Modality") -> "Modality":
        """The same in files whose counts mean what another's mean."""
        return dataclasses.replace(
            self, unit_per_count=other.unit_per_count, missing_counts=other.missing_counts
        )

    def filling(self, value: Any, dtype: np.dtype) -> Any:
        """`padding` or `blank` in a view's picture of a type: of vectors in counts their count."""
        return encoded(value, dtype) if self.mirror == "negate_x" else value

    @property
    def middle(self) -> float:
        """Value of the first component, times `scale`, that mirroring leaves as it is.

        Vectors are -1..1, or counts of 8 bits: those have a scale, or a mean beyond 1.
        """
        counts = self.scale != 1 or abs(self.mean[0]) > 1
        return 127.5 * self.scale if counts else 0.0

    def with_axis(self, picture: np.ndarray, axes: int = 3) -> np.ndarray:
        """A picture with its axis of channels.

        Args:
            picture: (h, w) or (h, w, channels); with `axes` 4 a batch of them.
            axes: of the result.

        Returns:
            (..., h, w, channels); where there was no such axis, one is repeated for all channels.

        Raises:
            InputError: another number of axes or channels.
        """
        picture = np.asarray(picture)
        if picture.ndim == axes - 1:
            return np.repeat(picture[..., None], self.channels, axis=-1)
        if picture.ndim != axes or picture.shape[-1] != self.channels:
            raise InputError(
                f"{self.name}: found a picture of shape {picture.shape}, wanted {axes} axes, the "
                f"last of {self.channels} channels; change the modality's channels, or the picture."
            )
        return picture

    def finite(self, picture: np.ndarray, source: str = "") -> np.ndarray:
        """The picture with `missing` for NaN and infinity; itself where there are none.

        Raises:
            InputError: there are some, and the modality has no value for missing.
        """
        if picture.dtype.kind != "f":
            return picture
        good = np.isfinite(picture)
        if good.all():
            return picture
        if self.missing is None:
            raise InputError(
                f"{source or self.name}: {int((~good).sum())} values of {self.name!r} are NaN or "
                f"infinite; mend the data, or give the modality a value for missing."
            )
        return np.where(good, picture, picture.dtype.type(self.missing))

    def normalize(self, picture: np.ndarray, axes: int = 3) -> np.ndarray:
        """What the network is fed.

        Args:
            picture: as in a view, of any dtype; see `with_axis`.
            axes: likewise.

        Returns:
            float32 (..., h, w, channels).

        Raises:
            InputError: another number of channels, or NaN where nothing can be missing.
        """
        x = self.finite(self.with_axis(picture, axes))
        if x.dtype.kind == "u" and self.mirror == "negate_x" and self.middle == 0:
            x = decoded(x)
        mean, std = np.asarray(self.mean, np.float32), np.asarray(self.std, np.float32)
        return (np.asarray(x, np.float32) * np.float32(self.scale) - mean) / std

    def mirrored(self, picture: np.ndarray) -> np.ndarray:
        """A view's picture, (h, w) or (h, w, channels), with left and right exchanged."""
        turned = np.ascontiguousarray(picture[:, ::-1])
        if self.mirror == "negate_x":
            turned[..., 0] = negated(turned[..., 0])
        return turned

    def mirrored_input(self, pictures: np.ndarray) -> np.ndarray:
        """The same of what the network is fed: (..., h, w, channels), normalised."""
        turned = np.ascontiguousarray(pictures[..., ::-1, :])
        if self.mirror == "negate_x":
            # x' = 2 middle - x before mean and std.
            offset = 2 * (self.middle - self.mean[0]) / self.std[0]
            turned[..., 0] = turned.dtype.type(offset) - turned[..., 0]
        return turned


def _list(values: Any) -> list:
    """The values of a list or tuple; one that is no word where it is none."""
    return list(values) if isinstance(values, list | tuple) else [None]


def _numbers(values: Any) -> tuple[float, ...] | None:
    """The values as finite floats; None where one is none."""
    try:
        numbers = tuple(float(value) for value in values if not isinstance(value, bool))
    except (TypeError, ValueError):
        return None
    good = len(numbers) == len(values) and all(map(math.isfinite, numbers))
    return numbers if good else None


_DEPTH: dict[str, Any] = {
    "channels": 1,
    "unit": "m",
    "interpolation": "nearest",
    "missing": 0.0,
    "jitter": "depth",
    "unit_per_count": 0.001,
    "missing_counts": (0, 65535),
    "limits": (0.25, 7.0),
    "values": (0.0, 100.0),
    "stretch": "log",
}
_GREY: dict[str, Any] = {
    "channels": 1,
    "scale": 1 / 255,
    "mean": (0.5,),
    "std": (0.25,),
    "interpolation": "cubic",
    "padding": 0.0,
    "jitter": "intensity",
}
_COLOUR: dict[str, Any] = {"interpolation": "nearest", "scale": 1 / 255, "values": (0.0, 255.0)}
_VECTORS: dict[str, Any] = {"interpolation": "nearest", "mirror": "negate_x", "stretch": "signed"}
_EDGES: dict[str, Any] = {"channels": 1, "interpolation": "nearest", "values": (0.0, 1.0)}

READY: dict[str, Modality] = {
    modality.name: modality
    for modality in (
        Modality(
            "rgb",
            scale=1 / 255,
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            interpolation="cubic",
            padding=IMAGENET_PADDING,
            jitter="colour",
            values=(0.0, 255.0),
            aliases=("color", "colour", "image", "images", "img"),
        ),
        Modality("depth", **_DEPTH),
        Modality("depth_euclidean", **{**_DEPTH, "unit_per_count": 1 / 512}),
        Modality("depth_zbuffer", **{**_DEPTH, "unit_per_count": 1 / 512}),
        # 1/m in some data sets, pixels in others: whatever the file counts.
        Modality("disparity", channels=1, interpolation="nearest", missing=0.0),
        Modality("thermal", **_GREY, aliases=("lwir", "temperature")),
        Modality("nir", **_GREY, aliases=("ir", "infrared")),
        Modality("normals", **_VECTORS, aliases=("normal",)),
        Modality("normal", **_VECTORS),
        # Disparity, height above ground and angle with gravity, as pictures of 8 bits.
        Modality("hha", **_COLOUR),
        # A picture in Taskonomy, 0..1 in the generated rooms.
        Modality("reshading", interpolation="cubic"),
        Modality("principal_curvature", interpolation="nearest", stretch="ratio"),
        Modality("edge_texture", unit_per_count=1 / 11355, missing_counts=(65535,), **_EDGES),
        Modality("edge_occlusion", unit_per_count=1 / 11584, missing_counts=(65535,), **_EDGES),
        Modality("segment_unsup2d", **_COLOUR),
        Modality("segment_unsup25d", **_COLOUR),
    )
}
"""The usual modalities by name: cameras', and the domains of Taskonomy and of generated rooms."""


def modality_of(value: "str | Modality | Mapping[str, Any]") -> Modality:
    """Returns the modality that a name, a config or a modality stands for.

    Args:
        value: a `Modality`; its config, where fields left out are those of the ready one of that
            name; or a name: of `READY`, or any other, which has three channels that are taken as they are.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(value, Modality):
        return value
    if isinstance(value, Mapping):
        return Modality.from_config(value)
    if not isinstance(value, str) or not value:
        raise InputError(f"modality {value!r}: wanted a name, a config or a Modality.")
    return READY.get(value) or Modality(value)


def several(modalities: Iterable) -> tuple:
    """Returns the modalities as a tuple; raises InputError where they are no list, or one name."""
    if isinstance(modalities, str | Mapping) or not isinstance(modalities, Iterable):
        raise InputError(f'modalities is {modalities!r}; wanted a list of names, ("rgb", "depth").')
    return tuple(modalities)
