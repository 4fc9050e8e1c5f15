"""The self-check of freezing: numbers that are none do not pass, and the right one is blamed for them."""

import keras
import numpy as np
import pytest

import cen_keras
from cen_keras.errors import InputError
from cen_keras.layers import ModalityNorm
from deploy.freeze import freeze, register_rule
from deploy.freeze.rules import RULES

STREAMS = ("rgb", "depth")


@keras.saving.register_keras_serializable("tests")
class Same(keras.layers.Layer):
    """Hands on what it gets."""

    def call(self, x):
        return x


def network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = Same(name="same")(keras.layers.BatchNormalization(name="norm")(x))
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="head")(x))
    return cen_keras.lift(model, STREAMS, fusion=None)


# Either stream: what Python's max makes of NaN depends on its place.
@pytest.mark.parametrize("stream", STREAMS)
def test_a_training_that_diverged_is_told_as_such(stream):
    model = network()
    (norm,) = (layer for layer in model.layers if isinstance(layer, ModalityNorm))
    norm.norm(stream).gamma.assign(np.full(4, np.nan))
    with pytest.raises(InputError, match=f"trained model's '{stream}' is NaN.* diverged"):
        freeze(model)


@pytest.mark.parametrize("stream", STREAMS)
def test_a_rule_that_gives_no_number_is_noticed_and_its_layer_named(stream, monkeypatch):
    def rule(low, layer, args, kwargs):
        factor = np.nan if args[0].stream == STREAMS.index(stream) else 1.0
        return low.graph.affine(args[0], np.full(4, factor), np.zeros(4), layer.name)

    monkeypatch.setitem(RULES, Same, None)
    register_rule(Same)(rule)
    with pytest.raises(InputError, match="differs from the trained one by nan.*'same'"):
        freeze(network())
