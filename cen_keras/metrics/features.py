"""FID and KID: distances between two sets of images, by the features of any network.

FID (Heusel et al., NIPS 2017) is the Frechet distance between two Gaussians with the features' means
and covariances; KID (Binkowski et al., ICLR 2018) the unbiased squared maximum mean discrepancy with
the kernel (x . y / d + 1)^3, averaged over random subsets. A published number holds for the features
of Inception as of 2015-12-05 only; with others the metrics compare models with each other.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.metrics.host_values import host_value

Extractor = Callable[[np.ndarray], np.ndarray]
"""(b, h, w, 3) float32 images in -1..1 -> (b, d) features."""

INCEPTION_SIZE = 299


def frechet_distance(real: np.ndarray, made: np.ndarray) -> float:
    """Returns |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets of features.

    With C = A^T A, A the centred features over the root of n - 1, the trace of the root is the sum of
    the singular values of A1 A2^T, which needs no root of a matrix and no guard against singular
    covariances.

    Args:
        real: (n, d) features, n at least 2.
        made: (k, d) features, k at least 2.

    Raises:
        InputError: fewer than two images on a side, or features of different lengths.
    """
    real, made = _checked(real, made)
    halves = []
    for features in (real, made):
        centred = (features - features.mean(0)) / np.sqrt(len(features) - 1)
        # As good as A, with min(n, d) rows.
        halves.append(np.linalg.qr(centred, mode="r"))
    common = np.linalg.svd(halves[0] @ halves[1].T, compute_uv=False).sum()
    spread = sum((half**2).sum() for half in halves)
    return float(((real.mean(0) - made.mean(0)) ** 2).sum() + spread - 2 * common)


def kernel_distance(
    real: np.ndarray, made: np.ndarray, subsets: int = 50, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Returns mean and deviation over subsets of the unbiased MMD^2 with the cubic kernel.

    Args:
        real: (n, d) features, n at least 2.
        made: (k, d) features, k at least 2.
        subsets: number of random subsets, drawn without repetition.
        subset_size: images of a subset; all where there are fewer, and then every subset is the
            same one.
        seed: of the draws.

    Raises:
        InputError: fewer than two images on a side or in a subset, or features of different
            lengths.
    """
    real, made = _checked(real, made)
    size = min(subset_size, len(real), len(made))
    if size < 2 or subsets < 1:
        raise InputError(
            f"KID wants one subset or more of two images or more; found {subsets} of {size}."
        )
    rng = np.random.default_rng(seed)
    # Without a choice to make, one subset is as good as fifty.
    rounds = 1 if size == len(real) == len(made) else subsets
    values = [
        _unbiased_mmd2(
            real[rng.choice(len(real), size, replace=False)],
            made[rng.choice(len(made), size, replace=False)],
        )
        for _ in range(rounds)
    ]
    return float(np.mean(values)), float(np.std(values))


def _unbiased_mmd2(x, y):
    count, length = x.shape

    def kernel(a, b):
        return (a @ b.T / length + 1) ** 3

    def mean_of_pairs(a):
        values = kernel(a, a)
        return (values.sum() - np.trace(values)) / (count * (count - 1))

    return mean_of_pairs(x) + mean_of_pairs(y) - 2 * kernel(x, y).mean()


def _checked(real, made):
    real, made = np.asarray(real, np.float64), np.asarray(made, np.float64)
    if real.ndim != 2 or made.ndim != 2 or real.shape[1] != made.shape[1]:
        raise InputError(
            f"features are (images, length) of one length; found {real.shape} and {made.shape}."
        )
    if min(len(real), len(made)) < 2:
        raise InputError(
            f"a distance wants two images or more a side; found {len(real)} and {len(made)}."
        )
    return real, made


class _FeatureDistance(keras.metrics.Metric):
    """Keeps the features of all images seen since the last reset, on the host in float64.

    It runs outside compiled steps only: a distance between sets is no mean over batches.
    """

    def __init__(self, extractor: Extractor, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.extractor = extractor
        self.real, self.made = [], []

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch: (b, h, w, 3) real and made images in -1..1.

        Raises:
            InputError: called inside a compiled step.
        """
        for images, kept in ((y_true, self.real), (y_pred, self.made)):
            images = host_value(images)
            if images is None:
                raise InputError(
                    f"{self.name} is computed on whole sets of images: call it on results of "
                    "`predict`, not in `compile(metrics=...)`."
                )
            features = self.extractor(np.asarray(images, np.float32))
            kept.append(np.asarray(features, np.float64))

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the (n, d) features of the real and of the made images.

        Raises:
            InputError: no image was seen.
        """
        if not self.real:
            raise InputError(f"{self.name}: no images were given; call update_state first.")
        return np.concatenate(self.real), np.concatenate(self.made)

    def reset_state(self):
        """Forgets all images."""
        self.real, self.made = [], []


class FrechetInceptionDistance(_FeatureDistance):
    """FID; see `frechet_distance`.

    Args:
        extractor: images in -1..1 -> features, for instance `inception_extractor(weights)`.
        name: of the metric.
    """

    def __init__(self, extractor: Extractor, name: str = "fid", **kwargs):
        super().__init__(extractor, name, **kwargs)

    def result(self) -> float:
        """Returns the distance."""
        return frechet_distance(*self.features())


class KernelInceptionDistance(_FeatureDistance):
    """KID, not multiplied by 100 as the paper's tables are; see `kernel_distance`.

    Args:
        extractor: images in -1..1 -> features.
        subsets: number of random subsets.
        subset_size: images of a subset.
        seed: of the draws.
        name: of the metric.
    """

    def __init__(
        self,
        extractor: Extractor,
        subsets: int = 50,
        subset_size: int = 1000,
        seed: int = 0,
        name: str = "kid",
        **kwargs,
    ):
        super().__init__(extractor, name, **kwargs)
        self.subsets = subsets
        self.subset_size = subset_size
        self.seed = seed

    def result(self) -> float:
        """Returns the mean over the subsets."""
        return self.mean_and_deviation()[0]

    def mean_and_deviation(self) -> tuple[float, float]:
        """Returns mean and deviation over the subsets."""
        return kernel_distance(*self.features(), self.subsets, self.subset_size, self.seed)


def inception_extractor(weights: str | Path) -> Extractor:
    """Returns the 2048 pooled features of Keras' InceptionV3 with the weights of a file.

    Keras' ImageNet weights are not those of 2015-12-05 by which papers report: distances of the two
    are not comparable.

    Args:
        weights: a `.weights.h5` file without the classifier, for instance Keras'
            `inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5`.

    Raises:
        InputError: the file is missing or does not fit.
    """
    weights = Path(weights).expanduser()
    if not weights.is_file():
        raise InputError(
            f"{weights}: is missing; FID and KID need InceptionV3's weights (Keras' file "
            "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5), or leave them out."
        )
    network = keras.applications.InceptionV3(include_top=False, weights=None, pooling="avg")
    try:
        network.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{weights}: does not fit InceptionV3 ({reason}).") from error

    def extract(images: np.ndarray) -> np.ndarray:
        size = (INCEPTION_SIZE, INCEPTION_SIZE)
        resized = keras.ops.image.resize(images, size, interpolation="bilinear")
        return keras.ops.convert_to_numpy(network(resized, training=False))

    return extract
