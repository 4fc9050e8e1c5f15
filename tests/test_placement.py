"""Where networks exchange by default, network by network, and how other norms are selected."""

import keras
import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.errors import InputError
from cen_keras.graph import Graph
from cen_keras.placement import exchanging_norms


def graph_of(name):
    if name in BACKBONES:
        image = keras.Input((None, None, 3))
        return Graph(keras.Model(image, BACKBONES[name](image)))
    build = getattr(keras.applications, name)
    return Graph(build(weights=None, include_top=False, input_shape=(64, 64, 3)))


def blocks(pattern, *counts, start=1):
    """Names of all blocks of stages: `pattern` with the stage (from `start`) and the block (from 1)."""
    return [
        pattern.format(stage, block)
        for stage, count in enumerate(counts, start)
        for block in range(1, count + 1)
    ]


SELECTED = {
    "narrow": blocks("stack{}_block{}_norm1", 1, 2, 2, 1),
    "resnet18": blocks("stack{}_block{}_norm1", 2, 2, 2, 2),
    "resnet50": blocks("stack{}_block{}_norm2", 3, 4, 6, 3),
    "resnet101_dilated": blocks("stack{}_block{}_norm2", 3, 4, 23, 3),
    "mobilenet_s": blocks("stack{}_block{}_norm2", 1, 2, 3, 2),
    "mobilenet_m": blocks("stack{}_block{}_norm2", 2, 3, 4, 3),
    "MobileNetV2": [
        "expanded_conv_depthwise_BN",
        *(f"block_{index}_depthwise_BN" for index in range(1, 17)),
    ],
    "MobileNetV3Small": [
        "expanded_conv_depthwise_bn",
        *(f"expanded_conv_{index}_depthwise_bn" for index in range(1, 11)),
    ],
    # Fused blocks exchange after their only 3x3 convolution, the others after the depthwise one; the
    # first block has no expansion, and its norm leads to the second one's by one convolution.
    "EfficientNetV2B0": [
        *(f"block{name}_expand_bn" for name in ("2a", "2b", "3a", "3b")),
        *(f"block4{letter}_bn" for letter in "abc"),
        *(f"block5{letter}_bn" for letter in "abcde"),
        *(f"block6{letter}_bn" for letter in "abcdefgh"),
    ],
    "ResNet50": blocks("conv{}_block{}_2_bn", 3, 4, 6, 3, start=2),
    # Not the norms over a Concatenate, whose channels are several layers'.
    "DenseNet121": blocks("conv{}_block{}_1_bn", 6, 12, 24, 16, start=2),
}


@pytest.mark.parametrize("name", SELECTED)
def test_the_norms_that_exchange_by_default(name):
    assert list(exchanging_norms(graph_of(name))) == SELECTED[name]


def test_a_network_of_linear_norms_has_none_by_default_and_says_the_way_out():
    graph = graph_of("ConvNeXtTiny")
    with pytest.raises(InputError, match="where="):
        exchanging_norms(graph)
    assert len(exchanging_norms(graph, r"block_\d+_layernorm")) == 18  # 3 + 3 + 9 + 3 blocks


def test_norms_are_selected_by_expression_names_or_function():
    graph = graph_of("narrow")
    names = exchanging_norms(graph, "stack[12]_block1_norm2")
    assert names == ("stack1_block1_norm2", "stack2_block1_norm2")
    assert exchanging_norms(graph, names[::-1]) == names  # in the network's order
    assert exchanging_norms(graph, lambda name: name in names) == names


@pytest.mark.parametrize("where", ["stack9", ["stack9_norm"], lambda name: False])
def test_an_empty_or_unknown_selection_is_an_error(where):
    with pytest.raises(InputError, match="norm"):
        exchanging_norms(graph_of("narrow"), where)


def norm_and_readers(read):
    """Names selected in stem - conv - norm - `read`, which gives the output."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="stem")(image)
    x = keras.layers.Conv2D(4, 3, name="conv")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    graph = Graph(keras.Model(image, read(x)))
    try:
        return exchanging_norms(graph)
    except InputError:
        return ()


def conv(x):
    return keras.layers.Conv2D(4, 1)(x)


def relu(x):
    return keras.layers.ReLU()(x)


def gated(x):
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = keras.layers.Conv2D(4, 1, activation="sigmoid")(gate)
    return keras.layers.Multiply()([x, gate])


@pytest.mark.parametrize(
    ("read", "selected"),
    [
        (lambda x: conv(relu(x)), True),
        (lambda x: conv(keras.layers.Dropout(0.1)(keras.layers.MaxPooling2D()(relu(x)))), True),
        (lambda x: conv(gated(relu(x))), True),
        (lambda x: keras.layers.Dense(3)(relu(x)), True),
        (lambda x: conv(x), False),  # a linear projection
        (lambda x: relu(x), False),  # it leaves the network
        (lambda x: conv(relu(x)) + conv(relu(x)), False),  # two readers
        (lambda x: conv(relu(x)) + relu(x), False),
        (lambda x: keras.layers.Conv2DTranspose(3, 2)(relu(x)), False),
        (lambda x: conv(gated(relu(x)) + relu(x)), False),
        (lambda x: conv(keras.layers.LayerNormalization()(relu(x))), False),
    ],
)
def test_what_may_lie_between_a_norm_and_its_reader(read, selected):
    assert norm_and_readers(read) == (("norm",) if selected else ())
