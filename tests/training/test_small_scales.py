"""Small scales at the start: the same outputs, scales near the threshold, and what is refused."""

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.layers import ModalityNorm
from cen_keras.lifting import lift
from cen_keras.models import Segmenter
from cen_keras.training.small_scales import LIMITS, start_small


def test_outputs_stay_and_scales_are_small():
    model = trained_looking(Segmenter(num_classes=3, backbone="mobilenet_s"), share=0)
    x = images(model, (64, 64))
    before = model(x)
    names = start_small(model, 0.1)
    norms = [layer for layer in model.layers if isinstance(layer, ModalityNorm)]
    exchanging = [norm for norm in norms if norm.exchange_threshold is not None]
    assert names == tuple(norm.name for norm in exchanging) and names
    for norm in exchanging:
        scales = np.mean([np.abs(gamma) for gamma in norm.scales()], axis=0)
        # Products of float32.
        assert 0.1 * LIMITS[0] * 0.999 <= scales.min() and scales.max() <= 0.1 * LIMITS[1] * 1.001
        assert (
            abs(np.median(scales) - 0.1) < 0.02
        )  # the median of counts is one channel's, or two's mean
    for name, logits in model(x).items():
        wanted = np.asarray(before[name])
        # About 40 layers whose products are rounded anew.
        assert np.abs(logits - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_what_matters_least_has_the_shortest_way():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    x = keras.layers.Conv2D(4, 1, name="before")(keras.layers.ReLU()(x))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    network = keras.Model(image, keras.layers.Conv2D(2, 1, use_bias=False, name="behind")(x))
    network.get_layer("norm").gamma.assign([1.0, -2.0, 1.0, 1.0])
    network.get_layer("behind").kernel.assign(
        np.reshape([[3, 4], [0, 5], [3, 0], [0, 0.5]], (1, 1, 4, 2))
    )
    model = lift(network, ("rgb", "depth"), Exchange(where="norm"))
    start_small(model, 0.1)
    # Counts 5, 10, 3 and 0.5 with a median of 4; the last would be 0.0125, below the limit.
    np.testing.assert_allclose(
        model.get_layer("norm").scales()[1], [0.125, -0.25, 0.075, 0.03], rtol=1e-6
    )


def test_a_cap_is_refused_and_nothing_changes():
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    x = keras.layers.Conv2D(4, 1)(keras.layers.ReLU()(x))
    x = keras.layers.ReLU(max_value=6, name="capped")(
        keras.layers.BatchNormalization(name="norm")(x)
    )
    network = keras.Model(image, keras.layers.Conv2D(2, 1)(x))
    model = lift(network, ("rgb", "depth"), Exchange(where="norm"))
    with pytest.raises(InputError, match="'capped' .*does not pass a channel's factor"):
        start_small(model)
    np.testing.assert_array_equal(model.get_layer("norm").scales()[0], np.ones(4))


def test_a_model_without_exchange_is_refused():
    with pytest.raises(InputError, match="no norm that exchanges"):
        start_small(Segmenter(("rgb",), 3, backbone="mobilenet_s"))
