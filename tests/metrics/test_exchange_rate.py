"""The exchange rate of layers whose scales are set by hand."""

import keras
import numpy as np
import pytest
from seeded import batch_norm

from cen_keras.layers import ModalityNorm
from cen_keras.metrics.exchange_rate import exchange_rate


def build(threshold=0.1, channels=8, nested=False):
    """Returns a model with ModalityNorm layers `first`, `second` and one that never exchanges."""
    names = ("rgb", "depth")
    inputs = {name: keras.Input((2, 2, channels), name=name) for name in names}
    first = ModalityNorm(names, batch_norm(), exchange_threshold=threshold, name="first")
    second = ModalityNorm(names, batch_norm(), exchange_threshold=threshold, name="second")
    plain = ModalityNorm(names, batch_norm(), exchange_threshold=None, name="plain")
    if nested:
        model = keras.Model(inputs, plain(second(keras.Model(inputs, first(inputs))(inputs))))
    else:
        model = keras.Model(inputs, plain(second(first(inputs))))
    return model, first, second


@pytest.mark.parametrize("nested", [False, True])
def test_counts_own_parts_only(nested):
    model, first, second = build(nested=nested)
    assert exchange_rate(model)["share_of_penalised"] == 0.0
    # rgb owns channels 0 to 3: two of them are small; the small one in depth's part is not
    # penalised.
    first.norm("rgb").gamma.assign([0.0, -0.05, 0.2, -0.2, 0.0, 1, 1, 1])
    # The boundary is kept: |gamma| >= theta.
    first.norm("depth").gamma.assign([1, 1, 1, 1, np.float32(0.1), 1, 0.0999, 1])
    rate = exchange_rate(model)
    assert rate["layers"] == {
        "first": {"rgb": 0.5, "depth": 0.25},
        "second": {"rgb": 0.0, "depth": 0.0},
    }
    assert rate["share_of_penalised"] == 3 / 16
    assert rate["layers_exchanging"] == 1
    second.norm("depth").gamma.assign(np.zeros(8))
    assert exchange_rate(model)["layers_exchanging"] == 2


def test_without_an_exchange_the_rate_is_zero():
    model, first, _ = build(threshold=None)
    first.norm("rgb").gamma.assign(np.zeros(8))
    assert exchange_rate(model) == {
        "share_of_penalised": 0.0,
        "layers_exchanging": 0,
        "layers": {},
    }


def test_odd_channels_are_split_by_floor():
    model, first, _ = build(channels=5)
    first.norm("rgb").gamma.assign([0, 0, 1, 1, 1])  # rgb owns 0..1, depth 2..4
    first.norm("depth").gamma.assign([0, 0, 0, 1, 1])
    layer = exchange_rate(model)["layers"]["first"]
    assert layer == {"rgb": 1.0, "depth": pytest.approx(1 / 3)}
