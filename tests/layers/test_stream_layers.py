"""What the models' argument `gamma_initializer` means to the norms' scales."""

import keras
import numpy as np
import pytest

from cen_keras.layers import ModalityNorm
from cen_keras.layers.stream_layers import StreamLayers, scale_initializer


def scales_of(initializer):
    """Returns the scales of two exchanging norms, rgb before depth, (2, 2, 6)."""
    layers = StreamLayers(("rgb", "depth"), gamma_initializer=scale_initializer(initializer))
    inputs = {m: keras.Input((4, 4, 6), name=m) for m in layers.modalities}
    first = layers.norm(inputs, name="first", exchange=True)
    model = keras.Model(inputs, layers.norm(first, name="second", exchange=True))
    norms = [layer for layer in model.layers if isinstance(layer, ModalityNorm)]
    return np.asarray([[keras.ops.convert_to_numpy(g) for g in n.scales()] for n in norms])


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        (0.3, 0.3),
        (2, 2.0),
        ("zeros", 0.0),
        (keras.initializers.Constant(0.7), 0.7),
        (keras.initializers.serialize(keras.initializers.Constant(0.7)), 0.7),
    ],
)
def test_scales_start_at_what_the_argument_means(argument, value):
    np.testing.assert_array_equal(scales_of(argument), np.full((2, 2, 6), value, "float32"))


def test_norms_draw_for_themselves_unless_a_seed_says_otherwise():
    drawn = scales_of(keras.initializers.serialize(keras.initializers.RandomUniform(0, 1)))
    assert len(np.unique(drawn)) == drawn.size
    seeded = scales_of(keras.initializers.serialize(keras.initializers.RandomUniform(0, 1, seed=3)))
    np.testing.assert_array_equal(seeded, np.broadcast_to(seeded[0, 0], seeded.shape))
    assert len(np.unique(seeded[0, 0])) == 6


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="tens"):
        scale_initializer("tens")
