"""Class maps of raw images: what a model that knows its modalities can say of a picture as a camera gives it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.transforms import resize_batch
from cen_keras.errors import InputError
from cen_keras.metrics.confusion import resize_logits
from cen_keras.models.segmented_folder import segment_folder


class SegmentsRawImages:
    """`segment` of a model with `descriptions`, modality -> `Modality`, and a dict of logits as outputs.

    The network sees the images at the model's `image_shape`, or as they are where that is None.
    """

    def segment(
        self,
        images: Mapping[str, np.ndarray],
        outputs: str | Sequence[str] = "ensemble",
        interpolation: str = "bilinear",
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Segments raw images: one view or a batch of views.

        Args:
            images: modality -> (h, w, channels) or (b, h, w, channels); one channel may come without its axis. rgb
                is uint8, depth float metres with 0, NaN or infinity where there is none; nothing is normalised.
            outputs: "ensemble" or a modality for one class map, or several names for a dict of them.
            interpolation: of the logits to the images' size: "bilinear" or "cubic".

        Returns:
            int64 (h, w) or (b, h, w) class numbers, at the images' own size; with several outputs a dict of them.

        Raises:
            InputError: a modality is missing or unknown, images differ in size, or one does not fit its modality.
        """
        names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        unknown = [name for name in names if name not in self.output]
        if unknown or not names:
            raise InputError(
                f"outputs {unknown or names} unknown; the model has {', '.join(self.output)}."
            )
        batch, single = self._batch_of(images)
        size = next(iter(batch.values())).shape[1:3]
        logits = self.predict_on_batch(self.at_image_shape(batch))
        maps = {
            name: np.stack(
                [
                    resize_logits(one, size, interpolation).argmax(-1)
                    for one in np.asarray(logits[name])
                ]
            )
            for name in names
        }
        if single:
            maps = {name: found[0] for name, found in maps.items()}
        return maps[outputs] if isinstance(outputs, str) else maps

    def segment_folder(
        self, folder: str | Path, out: str | Path, *arguments: Any, **options: Any
    ) -> list[Path]:
        """Writes class maps and overlays of a folder; see `cen_keras.models.segmented_folder.segment_folder`."""
        return segment_folder(self, folder, out, *arguments, **options)

    def at_image_shape(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns a normalised batch, modality -> (b, h, w, channels), at the model's `image_shape`."""
        if self.image_shape is None:
            return dict(batch)
        return {
            n: resize_batch(self.descriptions[n], x, self.image_shape) for n, x in batch.items()
        }

    def _batch_of(self, images: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], bool]:
        """Returns the normalised batch, and whether it is of one view that came without its axis."""
        wanted = set(self.descriptions)
        if set(images) != wanted:
            raise InputError(
                f"images of {', '.join(sorted(images)) or 'nothing'}; the model wants exactly "
                f"{', '.join(self.descriptions)}."
            )
        batch, singles = {}, set()
        for name, modality in self.descriptions.items():
            image = np.asarray(images[name])
            if modality.unit is not None and image.dtype.kind in "iu":
                raise InputError(
                    f"{name}: found {image.dtype}, wanted floats in {modality.unit}; multiply by the unit of a count "
                    f"first, for instance {modality.unit_per_count or 0.001}."
                )
            counts = modality.values == (0.0, 255.0)
            if counts and image.dtype.kind == "f" and 0 < np.nanmax(image, initial=0) <= 1:
                raise InputError(
                    f"{name}: found {image.dtype} up to {np.nanmax(image):.3g}, wanted counts of 0 to 255; multiply "
                    "by 255."
                )
            # Three axes are (h, w, channels), or of one channel (b, h, w).
            batched = image.ndim == 4 or (
                image.ndim == 3 and image.shape[-1] > modality.channels == 1
            )
            single = not batched
            singles.add(single)
            batch[name] = modality.normalize(image[None] if single else image, axes=4)
        sizes = {name: x.shape[:3] for name, x in batch.items()}
        if len(set(sizes.values())) > 1 or len(singles) > 1:
            raise InputError(
                f"the images of a view have one number, height and width; found {sizes}."
            )
        return batch, singles.pop()


def shape_of(value: Sequence[int]) -> tuple[int, int]:
    """Returns a height and a width.

    Raises:
        InputError: they are not two whole numbers above 0.
    """
    found = tuple(value) if isinstance(value, list | tuple) else ()
    # A truth value is an int, too.
    if len(found) != 2 or not all(type(side) is int and side > 0 for side in found):
        raise InputError(
            f"image_shape is (height, width) in pixels, for instance (480, 640); found {value!r}."
        )
    return found
