"""The aggregations against NumPy: what is computed, where, with how many parameters."""

import keras
import numpy as np
import pytest

from cen_keras.baselines import FUSED, FUSIONS, Concat, fusion_of
from cen_keras.baselines.aggregation import stages_of
from cen_keras.errors import InputError
from cen_keras.lifting import lift
from cen_keras.modalities import Modality
from cen_keras.models import Segmenter, Translator

AGGREGATIONS = ("average", "concat", "attention")
CHANNELS = 6
SMALL = {"num_classes": 5, "backbone": "narrow", "decoder_options": {"filters": 16}}
WIDTHS = (24, 40, 64, 96)


def fused_model(method, **changes):
    """Returns a model that fuses two streams of (4, 5, 6) once, its norm not trivial."""
    fusion = fusion_of({"name": method, "stage": "late", **changes})
    inputs = {m: keras.Input((4, 5, CHANNELS), name=m) for m in ("rgb", "depth")}
    onward, seen = fusion.meet(inputs, 4, 4, "P5", None)
    assert onward.keys() == seen.keys()
    model = keras.Model(inputs, seen)
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape) for w in model.get_weights()])
    return model


def maps(seed=1):
    rng = np.random.default_rng(seed)
    return {m: rng.normal(size=(2, 4, 5, CHANNELS)).astype("float32") for m in ("rgb", "depth")}


def convolved(x, kernel, bias=0.0):
    """A convolution that keeps the size, by shifted copies of the padded input."""
    k = kernel.shape[0] // 2
    padded = np.pad(x, ((0, 0), (k, k), (k, k), (0, 0)))
    h, w = x.shape[1:3]
    return bias + sum(
        padded[:, i : i + h, j : j + w] @ kernel[i, j]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )


def oracle(model, method, x):
    """The fused map in NumPy, float64."""
    both = np.concatenate([x["rgb"], x["depth"]], -1).astype(np.float64)
    weights = {w.path: np.asarray(w, np.float64) for w in model.weights}

    def named(part):
        return next(value for path, value in weights.items() if part in path)

    if method == "average":
        return (x["rgb"] + x["depth"]) / 2
    if method == "attention":
        y = convolved(both, named("squeeze/kernel"), named("squeeze/bias"))
        y = convolved(np.maximum(y, 0), named("excite/kernel"), named("excite/bias"))
        both = both / (1 + np.exp(-y))
    y = convolved(both, named("reduce/kernel"))
    root = np.sqrt(named("moving_variance") + 1e-5)
    return (y - named("moving_mean")) / root * named("gamma") + named("beta")


@pytest.mark.parametrize("protocol", ["same_setting", "common"])
@pytest.mark.parametrize("method", AGGREGATIONS)
def test_aggregations_match_the_oracle(method, protocol):
    model, x = fused_model(method, protocol=protocol), maps()
    out, expected = model(x, training=False), oracle(model, method, x)
    assert set(out) == ({FUSED} if protocol == "common" else {"rgb", "depth"})
    for value in out.values():
        # At most 108 float32 products a sum, twice: sqrt(216) * 6e-8 relative to the largest.
        error = np.abs(np.asarray(value) - expected).max()
        assert error < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("stage", "stages", "taps"),
    [("early", 4, (1,)), ("middle", 4, (2,)), ("late", 4, (4,)), ("all", 4, (1, 2, 3, 4)),
     ("early", 7, (1,)), ("middle", 7, (4,)), ("late", 7, (7,)), ("all", 7, (1, 2, 3, 4, 5, 6, 7))],
)  # fmt: skip
def test_stages_at_which_the_streams_meet(stage, stages, taps):
    assert stages_of(stage, stages) == taps


def aggregation_parameters(method, widths, eta=4):
    """What a method adds for features of these widths, two streams."""
    if method == "concat":
        return sum(2 * c * c + 2 * c for c in widths)
    if method == "attention":
        squeezed = [2 * c // eta for c in widths]
        bottleneck = sum(
            9 * 2 * c * s + s + 9 * s * 2 * c + 2 * c for c, s in zip(widths, squeezed, strict=True)
        )
        return bottleneck + sum(9 * 2 * c * c + 2 * c for c in widths)
    return 0


@pytest.mark.parametrize(("stage", "widths"), [("early", WIDTHS[:1]), ("all", WIDTHS)])
@pytest.mark.parametrize("method", FUSIONS)
def test_parameters_in_the_same_setting(method, stage, widths):
    def trainable(fusion):
        model = Segmenter(fusion=fusion, **SMALL)
        return sum(int(np.prod(w.shape)) for w in model.trainable_weights)

    meets = {"stage": stage} if method in (*AGGREGATIONS, "align") else {}
    added = trainable({"name": method, **meets}) - trainable("none")
    assert added == aggregation_parameters(method, widths)


def test_one_trunk_behind_the_fusion_point_of_the_common_protocol():
    model = Segmenter(fusion={"name": "concat", "stage": "middle", "protocol": "common"}, **SMALL)
    assert model.streams == (FUSED,)
    names = {layer.name for layer in model.layers}
    for private in ("stem_conv", "stack1_block1_conv1", "stack2_block2_conv2"):
        assert {f"{private}_rgb", f"{private}_depth"} <= names and private not in names
    for shared in ("stack3_block1_conv1", "classifier"):
        assert shared in names and f"{shared}_rgb" not in names
    x = {"rgb": np.ones((1, 32, 32, 3), "float32"), "depth": np.ones((1, 32, 32, 1), "float32")}
    out = model(x)
    # The ensemble of one stream is that stream.
    np.testing.assert_array_equal(np.asarray(out[FUSED]), np.asarray(out["ensemble"]))


def test_streams_keep_the_order_of_the_modalities():
    # Not that of the alphabet, in which some backends hand over dicts.
    model = Segmenter(("zeta", "alpha"), **SMALL)
    assert model.streams == model.get_layer("ensemble").modalities == ("zeta", "alpha")


def test_a_fused_map_begins_with_the_first_modality():
    image = keras.Input((1, 1, 1))
    network = keras.Model(image, keras.layers.ReLU(name="relu")(image))
    model = lift(network, [Modality("zeta", channels=1), Modality("alpha", channels=1)], Concat())
    # The convolution takes its first channel alone.
    weights = {w.path: np.zeros(w.shape) for w in model.weights}
    for path, value in weights.items():
        value[...] = any(part in path for part in ("gamma", "variance"))
        if "reduce/kernel" in path:
            value[0, 0, 0] = 1
    model.set_weights(list(weights.values()))
    x = {"alpha": np.full((1, 1, 1, 1), 5.0), "zeta": np.full((1, 1, 1, 1), 3.0)}
    # The norm divides by sqrt(1 + 1e-5).
    assert float(np.asarray(model(x)["alpha"]).item()) == pytest.approx(3, rel=1e-5)


def test_no_modality_is_called_as_the_fused_stream():
    with pytest.raises(InputError, match="may be called 'fused'"):
        Segmenter(("rgb", FUSED), fusion="average", **SMALL)


@pytest.mark.parametrize("method", ["average", "attention", "align"])
def test_other_methods_go_without_exchange_and_penalty(method):
    model = Segmenter(fusion=method, **SMALL)
    norms = [layer for layer in model.layers if hasattr(layer, "exchange_threshold")]
    assert norms and all(n.exchange_threshold is None and n.sparsity == 0 for n in norms)
    for option in ("threshold", "sparsity"):
        with pytest.raises(InputError, match=f"fusion '{method}' has no option '{option}'"):
            Segmenter(fusion={"name": method, option: 0.5}, **SMALL)


@pytest.mark.parametrize("method", ["concat", "align"])
def test_a_saved_model_is_the_same_model(method, tmp_path):
    options = {"weight": 0.5} if method == "align" else {}
    model = Segmenter(fusion={"name": method, "stage": "early", **options}, **SMALL)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    x = {"rgb": np.ones((1, 32, 32, 3), "float32"), "depth": np.ones((1, 32, 32, 1), "float32")}
    for name, value in model(x).items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(loaded(x)[name]))
    assert loaded.fusion.get_config() == model.fusion.get_config()


@pytest.mark.parametrize("method", ["concat", "attention", "align"])
@pytest.mark.parametrize("protocol", ["same_setting", "common"])
def test_the_translator_takes_them_too(method, protocol):
    model = Translator(
        ("a", "b"), target="c", base_filters=4, discriminator_filters=4, depth=3,
        fusion={"name": method, "protocol": protocol},
    )  # fmt: skip
    model.compile()
    rng = np.random.default_rng(0)
    x = {m: rng.uniform(-1, 1, (2, 32, 32, 3)).astype("float32") for m in ("a", "b")}
    logs = model.train_on_batch(x, np.zeros((2, 32, 32, 3), "float32"), return_dict=True)
    assert np.isfinite(logs["loss"])
    aligned = method == "align"
    assert (logs["penalty"] > 0) == aligned
    assert model.streams == (("a", "b") if aligned or protocol == "same_setting" else (FUSED,))


@pytest.mark.parametrize(
    ("fusion", "named"),
    [
        ("sum", "fusion 'sum'"),
        ({"name": "concat", "stage": "first"}, "stage 'first'"),
        ({"name": "concat", "protocol": "ours"}, "protocol 'ours'"),
        ({"name": "concat", "eta": 2}, "'concat' has no option 'eta'"),
        ({"name": "align", "kernel": "box"}, "kernel 'box'"),
        ({"name": "align", "weight": -1.0}, "weight is .*found -1.0"),
        ({"name": "align", "weight": float("nan")}, "weight is nan; wanted a number"),
        ({"name": "attention", "eta": 0}, "eta is .*found 0"),
        ({"name": "attention", "eta": 1.5}, "eta is .*found 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(fusion, named):
    with pytest.raises(InputError, match=named):
        Segmenter(fusion=fusion, **SMALL)
