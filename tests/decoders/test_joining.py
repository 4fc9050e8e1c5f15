"""Decoders that join the streams: held against the plain decoder on averaged maps, and frozen."""

import keras
import numpy as np
import pytest
from seeded import images, trained_looking

import cen_keras
from cen_keras.decoders import DECODERS
from cen_keras.decoders.joining import DOWNWARDS
from cen_keras.errors import InputError
from cen_keras.layers import Join
from cen_keras.losses import SegmentationLoss
from cen_keras.metrics.cost import cost
from cen_keras.models import Segmenter
from deploy.freeze import freeze_with_report

OPTIONS = {"light_refinenet": {"filters": 16}, "light_fpn": {"filters": 16, "top_filters": 8}}
SMALL = {"backbone": "narrow", "num_classes": 5}
NAMES = ("rgb", "depth", "normal")


def joined(decoder: str, join: str | None, modalities=NAMES):
    model = Segmenter(
        modalities, decoder=decoder, decoder_options={**OPTIONS[decoder], "join": join}, **SMALL
    )
    return trained_looking(model)


def relative(found, wanted) -> float:
    return float(np.abs(np.asarray(found) - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("decoder", OPTIONS)
def test_joined_at_p5_it_is_the_plain_decoder_on_averaged_features(decoder):
    model = joined(decoder, "P5")
    means = {
        level: model.get_layer(f"decoder_{level.lower()}_mean")
        for level in ("P2", "P3", "P4", "P5")
    }
    probe = keras.Model(model.input, {level: mean.input for level, mean in means.items()})
    x = images(model, (64, 64))
    maps = {
        level: np.mean([np.asarray(s) for s in found], axis=0) for level, found in probe(x).items()
    }
    inputs = {level: keras.Input(value.shape[1:], name=level) for level, value in maps.items()}
    plain = keras.Model(inputs, DECODERS[decoder](inputs, 5, **OPTIONS[decoder]))
    for layer in plain.layers:
        if layer.weights:
            twin = model.get_layer(layer.name)
            twin = twin.norm("fused") if hasattr(twin, "norms") else twin
            layer.set_weights(twin.get_weights())
    wanted = np.asarray(plain(maps))
    # The same sums in another order: rounding of float32, some hundred terms deep.
    assert relative(model(x)["fused"], wanted) < 1e-5


@pytest.mark.parametrize(
    ("decoder", "join"),
    [
        ("light_refinenet", "P5"),
        ("light_refinenet", "P3"),
        ("light_fpn", "P4"),
        ("light_fpn", "P2"),
    ],
)
def test_frozen_it_computes_the_same_with_no_opaque_layer(decoder, join):
    model = joined(decoder, join)
    assert model.streams == ("fused",)
    frozen, report = freeze_with_report(model, "all", (64, 64))
    assert report["opaque"] == []
    x = images(model, (64, 64))
    for name, wanted in model(x).items():
        # Norms folded into float32 kernels move an output by some of its last bits.
        assert relative(frozen(x)[name], np.asarray(wanted)) < 1e-5


def test_the_sooner_it_joins_the_less_it_costs():
    costs = [cost(joined("light_refinenet", join), (64, 64))["macs"] for join in (*DOWNWARDS, None)]
    assert costs == sorted(costs) and len(set(costs)) == len(costs)


def test_one_modality_has_nothing_to_join():
    model = joined("light_refinenet", "P4", ("rgb",))
    assert model.streams == ("rgb",)
    assert not any(isinstance(layer, keras.layers.Average | Join) for layer in model.layers)


def test_equal_streams_joined_are_one_of_them():
    """Averaging copies changes nothing, so any place of joining gives what separate streams give."""
    x = {
        name: np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
        for name in "ab"
    }
    x["b"] = x["a"]
    found = []
    for join in (None, *DOWNWARDS):
        keras.utils.set_random_seed(1)
        options = {**OPTIONS["light_refinenet"], "join": join}
        model = Segmenter(("a", "b"), decoder_options=options, **{**SMALL, "fusion": None})
        model(x)
        found.append(np.asarray(model(x)["ensemble"]))
    for other in found[1:]:
        # A mean of two equal numbers is exact; sums of kernels are taken in one order.
        assert relative(other, found[0]) < 1e-6


def test_it_is_saved_and_loaded(tmp_path):
    model = joined("light_fpn", "P3")
    model.save(tmp_path / "model.keras")
    x = images(model, (32, 32))
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(x)["ensemble"], model(x)["ensemble"])


@pytest.mark.gate
def test_it_trains_with_one_stream():
    model = joined("light_refinenet", "P5", ("rgb", "depth"))
    x = images(model, (32, 32))
    labels = np.zeros((1, 32, 32), "int32")
    model.compile(keras.optimizers.SGD(1e-2), loss=SegmentationLoss())
    first, *_, last = (model.train_on_batch(x, labels) for _ in range(5))
    assert np.all(np.asarray(last) < np.asarray(first))


@pytest.mark.parametrize("decoder", OPTIONS)
def test_another_level_is_refused(decoder):
    with pytest.raises(InputError, match="join is 'P6'; give one of P5, P4, P3, P2, or None"):
        joined(decoder, "P6")


def test_a_modality_called_fused_is_refused():
    with pytest.raises(InputError, match="no modality may be called 'fused'"):
        joined("light_refinenet", "P5", ("fused", "rgb"))


def test_a_skip_around_a_join_is_refused_by_name():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    total = keras.layers.Add(name="total")
    network = keras.Model(image, total([Join(name="join")(x), x]))
    with pytest.raises(InputError, match="'total' reads a stream that a Join has made one"):
        cen_keras.lift(network, ("rgb", "depth"))
