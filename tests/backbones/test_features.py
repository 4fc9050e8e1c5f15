"""The features of networks that this project did not write, by name, and of those it did."""

import keras
import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.features import LEVELS, find_features, preprocessing_of
from cen_keras.errors import InputError
from cen_keras.graph import Graph

FEATURES = {
    "MobileNetV2": ("block_2_add", "block_5_add", "block_12_add", "out_relu"),
    "EfficientNetV2B0": ("block2b_add", "block3b_add", "block5e_add", "top_activation"),
    "ResNet50": ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    "DenseNet121": ("pool2_relu", "pool3_relu", "pool4_relu", "relu"),
    "VGG16": ("block3_conv3", "block4_conv3", "block5_conv3", "block5_pool"),
}


def application(name):
    build = getattr(keras.applications, name)
    return Graph(build(weights=None, include_top=False, input_shape=(64, 64, 3)))


@pytest.mark.parametrize("name", FEATURES)
def test_features_are_the_last_blocks_outputs(name):
    assert find_features(application(name)) == dict(zip(LEVELS, FEATURES[name], strict=True))


def test_a_block_without_a_sum_ends_in_its_projection():
    found = find_features(application("MobileNetV3Small"))
    assert found["P2"] == "expanded_conv_project_bn"
    assert (found["P3"], found["P4"]) == ("expanded_conv_2_add", "expanded_conv_7_add")


def test_a_norm_between_stages_belongs_to_the_next_one():
    graph = application("ConvNeXtTiny")
    calls = {call.name: call for call in graph.calls}
    found = find_features(graph)
    for level in ("P2", "P3", "P4"):
        assert type(calls[found[level]].operation).__name__ == "Add"


@pytest.mark.parametrize("name", [name for name in BACKBONES if not name.endswith("_dilated")])
def test_what_a_backbone_gives_is_what_is_found(name):
    image = keras.Input((None, None, 3))
    features = BACKBONES[name](image)
    found = find_features(Graph(keras.Model(image, features)))
    producers = {level: t._keras_history.operation.name for level, t in features.items()}
    assert found == producers


def test_a_network_that_is_not_deep_enough_is_refused():
    image = keras.Input((64, 64, 3))
    shallow = keras.Model(image, keras.layers.Conv2D(4, 3, 4, padding="same")(image))
    with pytest.raises(InputError, match="stride 8"):
        find_features(Graph(shallow))


def test_preprocessing_is_found_up_to_the_first_other_layer():
    calls = preprocessing_of(application("EfficientNetV2B0"))
    assert [type(call.operation).__name__ for call in calls][:1] == ["Rescaling"]
    assert preprocessing_of(application("ResNet50")) == []
