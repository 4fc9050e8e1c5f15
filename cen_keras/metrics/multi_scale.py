"""Testing on several scales and mirrored: the mean of what a model says of changed pictures.

The usual practice of semantic segmentation. Which scales CEN's paper used is not known; the official
code tests on one.
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np

from cen_keras.data.transforms import resize_batch
from cen_keras.errors import InputError
from cen_keras.metrics.confusion import resize_logits
from cen_keras.modalities import Modality, modality_of


class MultiScale:
    """Takes a model's place in `evaluate_streams` and gives mean probabilities.

    For each scale, and once more mirrored, the pictures are resized, the model's logits brought to
    the pictures' size, and their softmax added; the mean has the pictures' size.

    ```python
    evaluate_streams(MultiScale(model, (0.75, 1, 1.25), flip=True), loader, 40)
    ```

    Args:
        model: gives a dict stream -> (b, h, w, n) logits.
        scales: sizes of the pictures through their own, or through the model's `image_shape` where it has one.
        flip: whether the mirrored pictures count as well.
        interpolation: of the logits to the pictures' size: "bilinear" or "cubic".
        modalities: what is known of the inputs, with the normalisation they have, where that is not
            in the model's `descriptions`; those of neither are looked up by their names.

    Raises:
        InputError: no scales, or one that is not above 0.
    """

    def __init__(
        self,
        model: keras.Model,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        interpolation: str = "cubic",
        modalities: Iterable[Modality] = (),
    ):
        if not scales or min(scales) <= 0:
            raise InputError(f"scales are {list(scales)}; give at least one, all above 0.")
        self.model = model
        self.scales = tuple(scales)
        self.flip = flip
        self.interpolation = interpolation
        self.shape = getattr(model, "image_shape", None)
        described = dict(getattr(model, "descriptions", {}))
        self._modalities = {**described, **{modality.name: modality for modality in modalities}}

    def predict_on_batch(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predicts a batch.

        Args:
            inputs: modality -> float32 (b, H, W, channels), normalised.

        Returns:
            stream -> float32 (b, H, W, n), mean probabilities.
        """
        known = {name: self._modalities.get(name) or modality_of(name) for name in inputs}
        size = next(iter(inputs.values())).shape[1:3]
        total: dict[str, np.ndarray] = {}
        for scale in self.scales:
            scaled_size = tuple(max(1, round(side * scale)) for side in self.shape or size)
            scaled = {name: resize_batch(known[name], x, scaled_size) for name, x in inputs.items()}
            for turned in (False, True) if self.flip else (False,):
                pictures = scaled
                if turned:
                    pictures = {name: known[name].mirrored_input(x) for name, x in scaled.items()}
                for stream, logits in self.model.predict_on_batch(pictures).items():
                    logits = np.asarray(logits)[:, :, ::-1] if turned else np.asarray(logits)
                    probabilities = np.stack(
                        [_softmax(resize_logits(x, size, self.interpolation)) for x in logits]
                    )
                    total[stream] = total.get(stream, 0) + probabilities
        passes = np.float32(len(self.scales) * (2 if self.flip else 1))
        return {stream: value / passes for stream, value in total.items()}


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
