"""freeze: the plain model equals the trained one, computes only what is read, and holds plain layers only."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeded import batch_norm, each, images, trained_looking

from cen_keras.errors import InputError
from cen_keras.fusion import Exchange
from cen_keras.layers import InstanceNorm, ModalityEnsemble, ModalityNorm
from cen_keras.models import Segmenter
from deploy.freeze import freeze, freeze_with_report

SMALL = {"num_classes": 5, "decoder_options": {"filters": 16, "pooling_stages": 2}}
PLAIN = {
    "InputLayer", "Conv2D", "DepthwiseConv2D", "ReLU", "Add", "Concatenate", "MaxPooling2D", "ZeroPadding2D",
    "Resizing", "Rescaling", "Identity",
}  # fmt: skip


def relative_error(trained, plain):
    trained, plain = (keras.tree.map_structure(numbers, outputs) for outputs in (trained, plain))
    return max(
        np.abs(trained[name] - plain[name]).max() / np.abs(trained[name]).max() for name in plain
    )


def numbers(output):
    return keras.ops.convert_to_numpy(output)


@pytest.mark.parametrize(
    ("modalities", "scope", "outputs"),
    [
        (("rgb",), "subpart", "all"),
        (("zeta", "alpha"), "subpart", "all"),
        (("zeta", "alpha"), "all", "ensemble"),
        (("zeta", "alpha"), "all", "first"),
        (("rgb", "depth", "normal"), "subpart", "ensemble"),
        (("rgb", "depth", "normal"), "all", "all"),
    ],
)
def test_equals_the_trained_model(modalities, scope, outputs):
    model = trained_looking(
        Segmenter(modalities, backbone="narrow", fusion=Exchange(scope=scope), **SMALL)
    )
    x = images(model, (32, 64))
    plain = freeze(model, modalities[0] if outputs == "first" else outputs, image_shape=(32, 64))
    # The weights are folded in float64 and rounded once; about 30 layers of float32 sums in another order.
    assert relative_error(model(x), plain({m: x[m] for m in plain.input})) < 1e-5
    assert {type(layer).__name__ for layer in plain.layers} <= PLAIN


@pytest.mark.parametrize("criterion", ["random", "variance"])
def test_equals_a_model_that_exchanges_by_another_criterion(criterion):
    fusion = {"name": "criterion", "criterion": criterion, "threshold": 0.5}
    model = trained_looking(Segmenter(backbone="narrow", fusion=fusion, **SMALL))
    x = images(model, (32, 64))
    assert relative_error(model(x), freeze(model, image_shape=(32, 64))(x)) < 1e-5  # as above


@pytest.mark.parametrize("backbone", ["resnet18", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_equals_the_trained_model_with_an_imagenet_stem(backbone):
    model = trained_looking(Segmenter(backbone=backbone, **SMALL))
    x = images(model, (64, 64))
    assert relative_error(model(x), freeze(model, image_shape=(64, 64))(x)) < 1e-5  # as above


@pytest.mark.parametrize("size", [(32, 32), (96, 32)])
def test_any_multiple_of_the_stride(size):
    model = trained_looking(Segmenter(backbone="narrow", **SMALL))
    x = images(model, size)
    assert relative_error(model(x), freeze(model, image_shape=size)(x)) < 1e-5  # as above


def test_a_model_of_mixed_precision_is_frozen_in_float32(tmp_path):
    """A run folder's model is loaded under the policy in force, which deploy leaves at float32."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = trained_looking(Segmenter(backbone="narrow", **SMALL))
        model.save(tmp_path / "mixed.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    loaded = keras.models.load_model(tmp_path / "mixed.keras", compile=False)
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    x = images(loaded, (32, 32))
    assert relative_error(loaded(x), freeze(loaded, image_shape=(32, 32))(x)) < 1e-5  # as above


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0, 1), scope=st.sampled_from(["subpart", "all"]))
def test_any_mask_is_frozen_right(seed, share, scope):
    model = trained_looking(tiny(scope), seed, share)
    x = images(model, (6, 6), seed=seed)
    assert relative_error(model(x), freeze(model, image_shape=(6, 6))(x)) < 1e-5  # as above


class _Tiny(keras.Model):
    modalities = ("b", "a")


def tiny(scope, channels=7):
    """Convolution, exchange, convolution: the smallest net in which something can be exchanged."""
    inputs = {m: keras.Input((6, 6, 2), name=m) for m in ("b", "a")}
    x = each(keras.layers.Conv2D(channels, 3, padding="same", name="conv1"), inputs)
    x = ModalityNorm(
        ("b", "a"), batch_norm(), exchange_threshold=0.02, exchange_scope=scope, name="norm1"
    )(x)
    x = each(keras.layers.Conv2D(3, 1, name="conv2"), x)
    return _Tiny(inputs, {**x, "ensemble": ModalityEnsemble(("b", "a"), name="ensemble")(x)})


def set_gammas(model, first, second):
    for norm, gamma in zip(model.get_layer("norm1").norms, (first, second), strict=True):
        norm.gamma.assign(gamma)


def test_only_channels_that_somebody_reads_are_computed():
    model = trained_looking(tiny("subpart", channels=6), share=0)
    on, off = 1.0, 0.0
    # Own parts: 0-2 and 3-5. "b" gives up 1, "a" gives up 3 and 4.
    set_gammas(model, [on, off, on, on, on, on], [on, on, on, off, off, on])
    plain = freeze(model, "all", image_shape=(6, 6))
    widths = {
        layer.name: layer.filters
        for layer in plain.layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    # "a" computes channel 1 for both, "b" computes 3 and 4 for both; 0, 2 and 5 stay private.
    assert {k: v for k, v in widths.items() if k.startswith("norm1") or k.startswith("conv1")} == {
        "conv1_b_own": 3, "conv1_b_shared": 2, "conv1_a_own": 3, "conv1_a_shared": 1,
    }  # fmt: skip
    kernels = [np.asarray(plain.get_layer(name).kernel) for name in ("conv2_b", "conv2_a")]
    # Both modalities read own, then what b gives, then what a gives: one order, so one set of rows.
    expected = np.asarray(model.get_layer("conv2").kernel)[:, :, [0, 2, 5, 3, 4, 1]]
    for kernel in kernels:
        np.testing.assert_array_equal(kernel, expected)


def test_with_all_exchanged_the_layer_costs_two_modalities_what_it_costs_one():
    model = trained_looking(tiny("subpart", channels=6), share=0)
    set_gammas(model, [0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])
    _, report = freeze_with_report(model, "all", image_shape=(6, 6))
    # 36 pixels; conv1: 9 * 2 inputs for 6 channels instead of 12; conv2: 6 inputs, 3 outputs, two streams.
    assert report["macs"] == {"before": 36 * (18 * 12 + 36), "after": 36 * (18 * 6 + 36)}
    assert report["layers"] == {"norm1": {"channels": 6, "b": 3, "a": 3}}


def test_one_stream_alone_drops_what_only_the_other_needs():
    model = trained_looking(tiny("subpart", channels=6), share=0)
    set_gammas(model, [0, 1, 1, 1, 1, 1], [1] * 6)
    plain = freeze(model, "b", image_shape=(6, 6))
    widths = [
        layer.filters
        for layer in plain.layers
        if isinstance(layer, keras.layers.Conv2D) and "conv1" in layer.name
    ]
    assert sorted(widths) == [1, 5]
    set_gammas(model, [1] * 6, [1] * 6)
    assert set(freeze(model, "b", image_shape=(6, 6)).input) == {"b"}


def test_the_ensemble_alone_is_one_classifier():
    model = trained_looking(Segmenter(backbone="narrow", **SMALL))
    plain = freeze(model, "ensemble", image_shape=(32, 32))
    assert [
        layer.name
        for layer in plain.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.filters == 5
    ] == ["ensemble"]


def test_a_relu6_does_not_commute_with_a_mean_and_is_still_right():
    names = ("a", "b", "c")
    inputs = {m: keras.Input((6, 6, 2), name=m) for m in names}
    x = each(keras.layers.Conv2D(6, 3, padding="same", name="conv1"), inputs)
    x = ModalityNorm(names, batch_norm(), exchange_threshold=0.02, name="norm1")(x)
    x = each(keras.layers.ReLU(max_value=6, name="relu"), x)
    x = each(keras.layers.Conv2D(3, 1, name="conv2"), x)
    model = _Tiny(inputs, {**x, "ensemble": ModalityEnsemble(names, name="ensemble")(x)})
    model.modalities = names
    trained_looking(model)
    # Large inputs, so that the cap at 6 is reached.
    x = {m: 20 * v for m, v in images(model, (6, 6)).items()}
    assert relative_error(model(x), freeze(model, image_shape=(6, 6))(x)) < 1e-5  # as above


def test_a_layer_without_a_rule_is_kept_as_it_was():
    inputs = {"a": keras.Input((4, 4, 2), name="a")}
    odd = _Tiny(inputs, {"a": keras.layers.Softmax(name="odd")(inputs["a"])})
    odd.modalities = ("a",)
    plain, report = freeze_with_report(odd, image_shape=(4, 4))
    assert report["opaque"] == ["odd"]
    x = images(odd, (4, 4))
    np.testing.assert_array_equal(plain(x)["a"], odd(x)["a"])


def test_bad_arguments_are_named():
    model = Segmenter(backbone="narrow", **SMALL)
    with pytest.raises(InputError, match="image_shape"):
        freeze(model)
    with pytest.raises(InputError, match="'left'"):
        freeze(model, "left", image_shape=(32, 32))
    for fusion in ("average", "concat", "attention", "align"):
        with pytest.raises(InputError, match=f"fuses by {fusion}"):
            freeze(Segmenter(backbone="narrow", fusion=fusion, **SMALL), image_shape=(32, 32))


@pytest.mark.parametrize(
    ("size", "kept"),
    # P5 has 6x12 places, which 1, 2, 3 and 6 bins divide, or 2x3, which some do not.
    [((192, 384), []), ((64, 96), ["decoder_pool2", "decoder_pool3", "decoder_pool6"])],
)
def test_a_pyramid_of_equal_bins_is_pooled_and_one_of_others_is_kept(size, kept):
    model = trained_looking(Segmenter(num_classes=3, backbone="narrow", decoder="pspnet"))
    x = images(model, size)
    plain, report = freeze_with_report(model, "ensemble", image_shape=size)
    assert sorted(report["opaque"]) == kept
    assert relative_error(model(x), plain(x)) < 1e-5  # as above


class _Translating(keras.Model):
    modalities = ("b", "a")


def test_instance_norms_and_transposed_convolutions_are_frozen():
    """The pieces of a translator: its norms stay, and still nobody computes a replaced channel."""
    layers, names = keras.layers, ("b", "a")
    inputs = {m: keras.Input((8, 8, 2), name=m) for m in names}
    x = each(layers.Conv2D(6, 4, strides=2, padding="same", name="down"), inputs)
    x = ModalityNorm(names, InstanceNorm(), exchange_threshold=0.02, name="norm")(x)
    x = skip = each(layers.LeakyReLU(negative_slope=0.2, name="act"), x)
    x = each(layers.Conv2D(4, 4, strides=2, padding="same", name="deep"), x)
    x = each(layers.ReLU(name="relu1"), x)
    x = each(layers.Conv2DTranspose(5, 4, strides=2, padding="same", name="up1"), x)
    x = ModalityNorm(names, InstanceNorm(), name="norm_up")(x)
    join = layers.Concatenate(name="join")
    x = {m: join([x[m], skip[m]]) for m in names}
    x = each(layers.ReLU(name="relu2"), x)
    x = each(layers.Conv2DTranspose(3, 3, strides=2, padding="valid", name="up2"), x)
    x = each(layers.Activation("tanh", name="image"), x)
    model = trained_looking(
        _Translating(inputs, {**x, "ensemble": ModalityEnsemble(names, name="ensemble")(x)})
    )
    x = images(model, (8, 8))
    plain, report = freeze_with_report(model, image_shape=(8, 8))
    # As above; an instance norm over 4x4 pixels divides by a deviation, which magnifies a rounding
    # by less than ten here.
    assert relative_error(model(x), plain(x)) < 1e-5
    # Pixels * taps * inputs * outputs of each; a transposed convolution's pixels are its input's.
    macs = 16 * 16 * 2 * 6 + 4 * 16 * 6 * 4 + 4 * 16 * 4 * 5 + 16 * 9 * 11 * 3
    assert report["macs"]["before"] == 2 * macs
    assert report["macs"]["after"] < 2 * macs
    kinds = [type(layer).__name__ for layer in plain.layers]
    assert kinds.count("Conv2DTranspose") == 4 and kinds.count("InstanceNorm") >= 4
