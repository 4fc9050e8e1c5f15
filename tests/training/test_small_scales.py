"""Small scales at the start: the same outputs, scales near the threshold, and what is refused."""

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

from cen_keras.baselines import CriterionExchange
from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.layers import ModalityNorm
from cen_keras.lifting import lift
from cen_keras.models import Segmenter
from cen_keras.training import small_scales
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


def four_channels(fusion):
    """Rows of the kernel behind count 5, 10, 3 and 0.5 for scales of 1, -2, 1 and 1."""
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(image)
    x = keras.layers.Conv2D(4, 1, name="before")(keras.layers.ReLU()(x))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(name="norm")(x))
    network = keras.Model(image, keras.layers.Conv2D(2, 1, use_bias=False, name="behind")(x))
    numbers = [1.0, -2.0, 1.0, 1.0], [0.1] * 4, [0.0] * 4, [1.0] * 4
    network.get_layer("norm").set_weights(list(map(np.array, numbers)))
    network.get_layer("behind").kernel.assign(
        np.reshape([[3, 4], [0, 5], [3, 0], [0, 0.5]], (1, 1, 4, 2))
    )
    return lift(network, ("rgb", "depth"), fusion)


def test_what_matters_least_has_the_shortest_way():
    model = four_channels(Exchange(where="norm"))
    start_small(model, 0.1)
    # Counts 5, 10, 3 and 0.5 with a median of 4; the last would be 0.0125, below the limit.
    np.testing.assert_allclose(
        model.get_layer("norm").scales()[1], [0.125, -0.25, 0.075, 0.03], rtol=1e-6
    )


def test_a_scale_that_would_fall_below_the_threshold_is_refused_and_nothing_changes(monkeypatch):
    """Depth owns channels 2 and 3, and its last scale would fall to 0.03."""
    model = four_channels(Exchange(threshold=0.05, where="norm"))
    x = images(model, (8, 8))
    before = {name: np.asarray(value) for name, value in model(x).items()}
    message = "'norm': with the median 0.1 the scale 1 of depth would be 0.03, below the exchange"
    with pytest.raises(InputError, match=message):
        start_small(model, 0.1)
    for name, value in model(x).items():
        np.testing.assert_array_equal(value, before[name])
    # What it is refused for: another channel of the depth stream.
    monkeypatch.setattr(small_scales, "_check_threshold", lambda *given: None)
    start_small(model, 0.1)
    assert np.abs(np.asarray(model(x)["depth"]) - before["depth"]).max() > 1e-3


@pytest.mark.parametrize("dead", [0.01, 5e-8])
def test_a_channel_that_is_exchanged_keeps_its_scale(dead):
    """It would rise to the least of 0.03, above the threshold of 0.02; ImageNet's nets have such."""
    model = four_channels(Exchange(threshold=0.02, where="norm"))
    for norm in model.get_layer("norm").norms:
        norm.gamma.assign(np.array(norm.gamma) * [0, 1, 1, 1] + [dead, 0, 0, 0])
    x = images(model, (8, 8))
    before = {name: np.asarray(value) for name, value in model(x).items()}
    start_small(model, 0.1)
    np.testing.assert_allclose(np.array(model.get_layer("norm").scales()[0])[0], dead, rtol=1e-6)
    assert (np.abs(np.array(model.get_layer("norm").scales()[0])[1:]) < 0.5).all()
    for name, value in model(x).items():
        # Products of size 10 in float32, rounded anew.
        np.testing.assert_allclose(value, before[name], atol=1e-4)


def test_a_criterion_that_reads_no_scales_has_no_threshold_of_theirs():
    model = four_channels(CriterionExchange("random", threshold=0.5, where="norm"))
    x = images(model, (8, 8))
    before = {name: np.asarray(value) for name, value in model(x).items()}
    start_small(model, 0.1)
    for name, value in model(x).items():
        # Products of size 10 in float32, rounded anew.
        np.testing.assert_allclose(value, before[name], atol=1e-4)


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
