"""Normalization: what a net is fed, by modality: a view of their scale, mean and std."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.modalities import Modality, modality_of

NUMBERS = ("scale", "mean", "std")

_LOG = logging.getLogger(__name__)


class Normalization:
    """`(x * scale - mean) / std` for each modality.

    Args:
        modalities: names, configs or `Modality` objects.

    Attributes:
        modalities: name -> `Modality`.
    """

    def __init__(self, modalities: Iterable[str | Modality | Mapping[str, Any]]):
        found = (modality_of(modality) for modality in modalities)
        self.modalities: dict[str, Modality] = {modality.name: modality for modality in found}

    @classmethod
    def from_json(cls, value: Mapping[str, Mapping[str, Any]]) -> "Normalization":
        """Reads what `to_json` wrote: other fields of a `Modality` may stand beside the three.

        Raises:
            InputError: a modality lacks a number, or one does not fit.
        """
        return cls(adapted(modality_of(name), numbers) for name, numbers in value.items())

    def to_json(self) -> dict[str, dict]:
        """A dict of numbers and lists, as `data.json` and the manifests hold it."""
        return {
            name: {"scale": m.scale, "mean": list(m.mean), "std": list(m.std)}
            for name, m in self.modalities.items()
        }

    def __contains__(self, name: str) -> bool:
        return name in self.modalities

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Normalization) and self.modalities == other.modalities

    def __call__(self, name: str, picture: np.ndarray) -> np.ndarray:
        """Normalises a view's picture, or a batch of them.

        Args:
            name: its modality.
            picture: (h, w) or (h, w, channels), or a batch of these; depth in metres, where missing
                depth is 0 metres before and the image of 0 metres after.

        Returns:
            float32 (..., h, w, channels).

        Raises:
            InputError: there are no numbers for this modality, or it has other channels.
        """
        if name not in self.modalities:
            raise InputError(
                f"no normalization for modality {name!r}; there is one for "
                f"{', '.join(self.modalities)}."
            )
        modality = self.modalities[name]
        picture = np.asarray(picture)
        # Of three axes the last are channels, or the width of a batch of bare pictures.
        batch = picture.ndim == 4 or (picture.ndim == 3 and picture.shape[-1] != modality.channels)
        return modality.normalize(picture, axes=4 if batch else 3)


def adapted(modality: Modality, numbers: Mapping[str, Any]) -> Modality:
    """The modality with what a recipe's `normalization` says of it.

    Args:
        modality: the ready one, or that of the data set.
        numbers: `scale`, `mean` and `std`; other fields of `Modality` may stand beside them. As
            many channels as there are means.

    Raises:
        InputError: one of the three is lacking, or a field does not fit.
    """
    if not isinstance(numbers, Mapping):
        raise InputError(
            f"normalization of {modality.name!r} is {numbers!r}; wanted scale, mean and std."
        )
    lacking = [key for key in NUMBERS if key not in numbers]
    if lacking:
        raise InputError(f"normalization of {modality.name!r} lacks {lacking[0]!r}.")
    fields = {"name": modality.name, **numbers}
    several = isinstance(numbers["mean"], list | tuple)
    if several and numbers["mean"] and len(numbers["mean"]) != modality.channels:
        fields = {"channels": len(numbers["mean"]), **fields}
    if fields.get("channels", modality.channels) != modality.channels:
        fields.setdefault("padding", float(np.mean(modality.padding)))
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    known = {field.name for field in dataclasses.fields(Modality)}
    unknown = sorted(set(fields) - known)
    if unknown:
        raise InputError(
            f"normalization of {modality.name!r}: {unknown[0]!r} is unknown; known are "
            f"{', '.join(sorted(known))}."
        )
    return dataclasses.replace(modality, **fields)


def warn_of_other_numbers(model: Any, loader: Any) -> None:
    """Says where a loader normalises otherwise than a model that knows its modalities; others pass.

    Args:
        model: with `descriptions`, name -> `Modality`.
        loader: likewise.
    """
    own, given = (getattr(one, "descriptions", None) or {} for one in (model, loader))
    for name in (name for name in own if name in given):
        numbers = [_numbers_of(described[name]) for described in (own, given)]
        if numbers[0] != numbers[1]:
            _LOG.warning(
                "%s: the model knows it as %s, but the loader gives %s. Give the loader the model's own, "
                "Loader(..., modalities=model.descriptions.values()); or, for a model that is yet to be trained, "
                "build it with modalities=loader.descriptions.values().",
                name,
                *numbers,
            )


def _numbers_of(modality: Modality) -> str:
    values = ((modality.scale,), modality.mean, modality.std)
    scale, mean, std = (" ".join(f"{number:.6g}" for number in part) for part in values)
    return f"(picture * {scale} - [{mean}]) / [{std}]"
