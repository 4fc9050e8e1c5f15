"""Batches with weights that make the mean of several replicas' losses the loss of one device."""

import keras
import numpy as np

from cen_keras.errors import InputError


class ReplicaBatches(keras.utils.PyDataset):
    """A loader's batches with weights, so that the mean over replicas is the mean over all pixels.

    Keras divides a batch of n images among R replicas, ceil(n / R) each until there are none left,
    and averages the replicas' losses, each the mean over its n_r images of weight * sum of
    cross-entropies. With the weight R n_r / V, V the valid pixels of the whole batch, that is

        1/R sum_r 1/n_r sum_i (R n_r / V) sum_i = (sum over all valid pixels) / V.

    That is the loss whose gradient is taken. The loss that Keras logs weighs every replica by n_r
    once more, so where the n_r differ the log is a little off; the training is not.

    Args:
        loader: gives `(inputs by modality, labels (b, H, W))`.
        replicas: R.
        ignore: the label of pixels that do not count.
        pixels_per_image: V is that many pixels per image instead, see `SegmentationLoss`.
    """

    def __init__(self, loader, replicas: int, ignore=255, pixels_per_image=None):
        super().__init__(workers=1, use_multiprocessing=False)
        self.loader = loader
        self.replicas = replicas
        self.ignore = ignore
        self.pixels_per_image = pixels_per_image

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.loader)

    def __getitem__(self, index: int):
        """Returns the loader's batch `index` and its weights, float32 (b,)."""
        inputs, labels = self.loader[index]
        return inputs, labels, self.weights(labels)

    def weights(self, labels: np.ndarray) -> np.ndarray:
        """Returns the weight of each image, float32 (b,).

        Raises:
            InputError: there are fewer images than replicas need.
        """
        images = len(labels)
        part = -(-images // self.replicas)
        parts = [max(0, min(part, images - part * r)) for r in range(self.replicas)]
        if 0 in parts:
            raise InputError(
                f"a batch of {images} images leaves one of {self.replicas} devices without any; "
                "take a batch that divides by the devices, or drop_last=True."
            )
        if self.pixels_per_image is None:
            pixels = max(1, int(np.count_nonzero(labels != self.ignore)))
        else:
            pixels = self.pixels_per_image * images
        return np.repeat([self.replicas * n / pixels for n in parts], parts).astype("float32")

    def on_epoch_begin(self) -> None:
        """Called by Keras before it takes the first batch of an epoch."""
        self.loader.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Called by Keras after an epoch."""
        self.loader.on_epoch_end()
