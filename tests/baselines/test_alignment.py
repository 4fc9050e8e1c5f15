"""Alignment: the penalty against the loss it is made of, in training only, and no change of the streams."""

import numpy as np

from cen_keras.baselines.alignment import Alignment
from cen_keras.losses.alignment import mean_discrepancy

CHANNELS = 6


def maps(seed=1):
    rng = np.random.default_rng(seed)
    return {m: rng.normal(size=(2, 4, 5, CHANNELS)).astype("float32") for m in ("rgb", "depth")}


def test_alignment_is_counted_in_training_only_and_changes_nothing():
    layer, x = Alignment(weight=3.0), maps()
    out = layer(x, training=False)
    assert not layer.losses
    layer(x, training=True)
    # On maps of 4x5 the cells are single rows, and columns joined as PyTorch's adaptive pooling does.
    cells = {m: np.stack([v[:, :, i : i + 2].mean(2) for i in range(4)], 2) for m, v in x.items()}
    a, b = (cells[m].reshape(-1, CHANNELS) for m in ("rgb", "depth"))
    # The pooled means differ by their float32 sums.
    np.testing.assert_allclose(
        np.asarray(layer.losses[0]), 3 * np.asarray(mean_discrepancy(a, b)), rtol=1e-4
    )
    for name, value in out.items():
        np.testing.assert_array_equal(np.asarray(value), x[name])
