"""ModalityEnsemble: softmax weights in the order of the modalities, and no gradient to the streams."""

import numpy as np
import pytest
from keras import ops

from cen_keras.errors import InputError
from cen_keras.layers import ModalityEnsemble

MODALITIES = ("zeta", "alpha", "mid")


def test_weighs_in_the_order_of_the_modalities():
    rng = np.random.default_rng(0)
    x = {m: rng.normal(size=(2, 3)).astype("float32") for m in MODALITIES}
    layer = ModalityEnsemble(MODALITIES)
    layer(x)
    layer.alpha.assign([0.0, 1.0, -2.0])
    weights = np.exp([0.0, 1.0, -2.0]) / np.exp([0.0, 1.0, -2.0]).sum()
    expected = sum(w * x[m] for w, m in zip(weights, MODALITIES, strict=True))
    np.testing.assert_allclose(
        np.asarray(layer(x)), expected, atol=1e-6
    )  # three float32 products of size ~2


def test_only_alpha_learns_from_the_ensemble():
    import tensorflow as tf

    layer = ModalityEnsemble(("rgb", "depth"))
    x = {
        m: tf.Variable(tf.random.stateless_normal((2, 3), (0, i)))
        for i, m in enumerate(("rgb", "depth"))
    }
    with tf.GradientTape() as tape:
        loss = ops.sum(ops.square(layer(dict(x))))
    alpha, rgb = tape.gradient(loss, [layer.alpha.value, x["rgb"]])
    assert rgb is None
    assert np.abs(np.asarray(alpha)).max() > 0


def test_one_modality_passes_through():
    x = np.ones((1, 2), "float32")
    np.testing.assert_array_equal(ModalityEnsemble(("rgb",))({"rgb": x}), x)


def test_bad_names_and_shapes_are_refused():
    with pytest.raises(InputError, match="distinct"):
        ModalityEnsemble(("rgb", "rgb"))
    with pytest.raises(InputError, match="distinct"):
        ModalityEnsemble(("rgb", "ensemble"))
    with pytest.raises(InputError, match="one shape"):
        ModalityEnsemble(("a", "b"))({"a": np.ones((1, 2)), "b": np.ones((1, 3))})
