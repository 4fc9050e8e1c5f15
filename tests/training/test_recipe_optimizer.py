"""The encoder's own rate: exactly the backbone's variables, whatever their names; refused where there are none."""

import keras
import numpy as np
import pytest
from plain_networks import strided

from cen_keras.errors import InputError
from cen_keras.models import Segmenter
from cen_keras.training.optimizers import ENCODER, GroupedSGD
from cen_keras.training.recipe_optimizer import build_optimizer, encoder_of
from cen_keras.training.segmentation import Optimizer, Recipe

SMALL = {"num_classes": 3, "decoder_options": {"filters": 4}}
EXCHANGE = {"name": "exchange", "where": "b[23]_norm"}


def own(fusion):
    return Segmenter(**SMALL, backbone=strided(), fusion=fusion)


@pytest.mark.parametrize("fusion", ["exchange", {"name": "concat", "private_filters": True}])
def test_of_this_package_s_backbones_it_is_what_their_names_say(fusion):
    model = Segmenter(**SMALL, backbone="narrow", fusion=fusion)
    exact, named = (GroupedSGD(groups={key: 1.0}) for key in (encoder_of(model), ENCODER))
    paths = [variable.path for variable in model.trainable_variables]
    found = [exact.group_of(path) is not None for path in paths]
    assert found == [named.group_of(path) is not None for path in paths]
    assert any(found) and not all(found)


def test_a_network_of_one_s_own_has_the_encoder_s_rate():
    model = own(EXCHANGE)
    rates = Optimizer("sgd", 0.0, encoder_learning_rate=0.5, schedule="constant", momentum=0.0)
    optimizer = build_optimizer(Recipe("x", {}, {}, rates), 8, model)
    variables = model.trainable_variables
    before = [keras.ops.convert_to_numpy(v) for v in variables]
    optimizer.apply([keras.ops.ones_like(v) for v in variables], variables)
    moved = {
        v.path.split("/")[0]
        for v, old in zip(variables, before, strict=True)
        if np.any(keras.ops.convert_to_numpy(v) != old)
    }
    # The ReLUs have no variables, and the last stride's norm leads into the decoder.
    assert moved == {f"b{k}_{kind}" for k in range(5) for kind in ("conv", "norm")}


def test_a_rate_without_effect_is_refused():
    model = own("none")
    for layer in model.layers:
        if layer.name in model.encoder_layers:
            layer.trainable = False
    rates = Optimizer(encoder_learning_rate=0.5)
    with pytest.raises(InputError, match="encoder_learning_rate: no variable .* set it to null"):
        build_optimizer(Recipe("x", {}, {}, rates), 8, model)
