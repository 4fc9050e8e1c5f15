"""Networks that this project did not write: lifted, frozen and exported, they compute what they did when trained."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import cen_keras
from cen_keras.errors import InputError
from cen_keras.layers import ModalityNorm
from deploy.freeze import freeze, freeze_with_report, register_rule
from deploy.freeze.rules import RULES
from deploy.onnx import writer as onnx_writer
from deploy.onnx.graph import OUTPUT_SUFFIX
from deploy.tflite import writer as tflite_writer

SIZE = (64, 64)
# Folding in float64 and adding up in another order, over up to 120 layers: the bound that freezing promises.
BOUND = 1e-5


@keras.saving.register_keras_serializable("tests")
class Squared(keras.layers.Layer):
    """A layer that no rule knows: x |x|."""

    def call(self, x):
        return x * keras.ops.abs(x)


def custom():
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Conv2D(8, 3, 2, "same", activation="relu", name="stem")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", groups=2, use_bias=False, name="grouped")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = Squared(name="squared")(x)
    x = keras.layers.Conv2D(8, 1, use_bias=False, name="conv")(x)
    x = keras.layers.BatchNormalization(scale=False, name="unscaled")(x)
    x = keras.layers.BatchNormalization(center=False, name="uncentred")(x)
    x = keras.layers.Concatenate(axis=1, name="rows")([x, x])
    x = keras.layers.UpSampling2D(2, name="up")(x)
    x = keras.layers.LayerNormalization(name="layer_norm")(x)
    x = keras.layers.Concatenate(name="both")([x, keras.layers.Conv2D(4, 1)(x)])
    return keras.Model(image, keras.layers.Softmax(name="softmax")(x))


NETWORKS = {
    "MobileNetV3Small": None,
    "EfficientNetV2B0": None,
    "DenseNet121": None,
    "ConvNeXtTiny": r"block_\d+_layernorm",
    "custom": "^norm$",
}


def trained(name):
    """A lifted network with norms that look trained, some channels of each exchanged."""
    if name == "custom":
        network = custom()
    else:
        build = getattr(keras.applications, name)
        network = build(weights=None, include_top=False, input_shape=(*SIZE, 3))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        kind = weight.path.rsplit("/", 1)[-1]
        if kind == "moving_variance":
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif kind in ("moving_mean", "beta"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    fusion = cen_keras.Exchange(threshold=0.3, where=NETWORKS[name])
    lifted = cen_keras.lift(network, ("rgb", "depth"), fusion)
    for layer in lifted.layers:
        if isinstance(layer, ModalityNorm) and layer.exchange_threshold:
            for norm in layer.norms:
                norm.gamma.assign(rng.uniform(0.1, 1.2, norm.gamma.shape))
    return lifted


def images():
    rng = np.random.default_rng(1)
    return {
        "rgb": rng.uniform(0, 255, (1, *SIZE, 3)).astype("float32"),
        "depth": rng.uniform(0, 255, (1, *SIZE, 1)).astype("float32"),
    }


def relative(found, expected):
    return max(
        float(np.abs(found[name] - expected[name]).max() / np.abs(expected[name]).max())
        for name in expected
    )


def in_litert(content, x):
    interpreter = Interpreter(model_content=content)
    runner = interpreter.get_signature_runner()
    return runner(**x)


def in_onnxruntime(content, x):
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds = {i.name: np.moveaxis(x[i.name], -1, 1) for i in session.get_inputs()}
    made = session.run(None, feeds)
    names = [output.name for output in session.get_outputs()]
    return {
        name.removesuffix(OUTPUT_SUFFIX): np.moveaxis(value, 1, -1)
        for name, value in zip(names, made, strict=True)
    }


@pytest.mark.parametrize(
    "name", ["custom", *(pytest.param(n, marks=pytest.mark.slow) for n in list(NETWORKS)[:-1])]
)
def test_frozen_and_exported_networks_compute_what_they_did_when_trained(name):
    model, x = trained(name), images()
    expected = {k: np.asarray(v) for k, v in model(x, training=False).items()}
    plain = freeze(model, image_shape=SIZE)
    assert relative({k: np.asarray(v) for k, v in plain(x).items()}, expected) <= BOUND
    content = tflite_writer.write(plain, SIZE)
    assert relative(in_litert(content, x), expected) <= BOUND
    content = onnx_writer.write(plain, SIZE)
    assert relative(in_onnxruntime(content, x), expected) <= BOUND


def test_layers_without_a_rule_are_named_and_kept_as_they_are():
    plain, report = freeze_with_report(trained("custom"), image_shape=SIZE)
    assert report["opaque"] == ["squared", "rows", "up", "layer_norm", "softmax"]
    assert {"Squared", "Softmax", "UpSampling2D"} <= {
        type(layer).__name__ for layer in plain.layers
    }
    assert report["difference"] <= BOUND


def scaled(low, layer, args, kwargs):
    """A rule as a user would write it: x |x| is x squared where a ReLU stands before it."""
    return low.graph.merge([args[0], args[0]], layer.name, "Multiply")


def forgetful(low, layer, args, kwargs):
    """A wrong rule: it leaves |x| out."""
    return args[0]


def test_a_rule_of_ones_own_takes_the_place_of_an_opaque_call(monkeypatch):
    monkeypatch.setitem(RULES, Squared, None)
    register_rule(Squared)(scaled)
    _, report = freeze_with_report(trained("custom"), image_shape=SIZE)
    assert "squared" not in report["opaque"] and report["difference"] <= BOUND


def test_a_wrong_rule_is_noticed_and_its_layer_named(monkeypatch):
    monkeypatch.setitem(RULES, Squared, None)
    register_rule(Squared)(forgetful)
    with pytest.raises(InputError, match="'squared'"):
        freeze(trained("custom"), image_shape=SIZE)


def behind_a_depthwise_convolution():
    """Ranges are made equal between a norm and the depthwise convolution behind it: there nothing is wrong."""
    image = keras.Input((*SIZE, 3))
    x = keras.layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(image)
    x = keras.layers.BatchNormalization(name="stem_norm")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    return keras.Model(image, keras.layers.Conv2D(4, 1)(Squared(name="squared")(x)))


def test_the_layer_of_a_wrong_rule_is_named_behind_equal_ranges(monkeypatch):
    monkeypatch.setitem(RULES, Squared, None)
    register_rule(Squared)(forgetful)
    network = behind_a_depthwise_convolution()
    norm = network.get_layer("stem_norm")
    norm.gamma.assign(2.0 ** np.arange(-4, 4))
    fusion = cen_keras.Exchange(threshold=0.3, where="stem_norm")
    lifted = cen_keras.lift(network, ("rgb", "depth"), fusion)
    with pytest.raises(InputError, match="'squared'"):
        freeze(lifted, image_shape=SIZE)
