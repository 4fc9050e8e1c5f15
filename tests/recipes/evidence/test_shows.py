"""The shown maps against NumPy and the net's own exchange; the command on the smallest net."""

import re

import keras
import matplotlib.figure
import numpy as np
import pytest

from cen_keras.layers import InstanceNorm, ModalityNorm
from cen_keras.metrics.exchange_rate import exchange_rate
from cen_keras.training.run_folder import load_best
from cen_keras.training.scale_history import Scales
from recipes.evidence.report import shows, shows_plots
from recipes.evidence.report.exchanged_maps import replaced_maps, replaced_mask
from recipes.evidence.report.shows import main

NAMES = ("rgb", "depth", "a")  # their order is not the alphabet's
CHANNELS = 7
PLAIN = {"batch": lambda: None, "instance": InstanceNorm}


def build(modalities, plain=None, **changes):
    """A norm behind a layer of its own, so that its input is not the net's."""
    keras.utils.set_random_seed(0)
    inputs = {name: keras.Input((4, 5, CHANNELS), name=name) for name in modalities}
    x = {n: keras.layers.Rescaling(2.0, name=f"twice_{n}")(i) for n, i in inputs.items()}
    x = ModalityNorm(
        modalities,
        plain or keras.layers.BatchNormalization(epsilon=1e-5),
        name="norm",
        exchange_threshold=0.5,
        gamma_initializer="random_normal",
        **changes,
    )(x)
    model = keras.Model(inputs, {n: keras.layers.ReLU(name=f"{n}_out")(x[n]) for n in modalities})
    rng = np.random.default_rng(0)
    norm = model.get_layer("norm")
    for name in modalities:
        norm.norm(name).gamma.assign(rng.choice([0.1, -0.2, 0.9], CHANNELS))
        norm.norm(name).beta.assign(rng.normal(size=CHANNELS) + 3)
        if plain is None:
            norm.norm(name).moving_mean.assign(rng.normal(size=CHANNELS))
            norm.norm(name).moving_variance.assign(rng.uniform(1, 2, CHANNELS))
    return model


def views(modalities):
    rng = np.random.default_rng(1)
    return {n: rng.normal(size=(1, 4, 5, CHANNELS)).astype("float32") for n in modalities}


@pytest.mark.parametrize("modalities", [NAMES[:2], NAMES])
@pytest.mark.parametrize("scope", ["subpart", "all"])
@pytest.mark.parametrize("kind", ["batch", "instance"])
def test_maps_are_the_streams_own_and_what_the_net_puts_there(modalities, scope, kind):
    model = build(modalities, exchange_scope=scope, plain=PLAIN[kind]())
    norm, inputs = model.get_layer("norm"), views(modalities)
    outputs = model(inputs)
    found = replaced_maps(model, inputs)
    assert found and [one.receiver for one in found] == [
        n for n in modalities if replaced_mask(norm, n).any()
    ]
    for one in found:
        own, c = norm.norm(one.receiver), one.index
        x = 2.0 * inputs[one.receiver][0, ..., c]
        if kind == "batch":
            mean, variance = (
                keras.ops.convert_to_numpy(v)[c] for v in (own.moving_mean, own.moving_variance)
            )
        else:
            mean, variance = x.mean(), x.var()
        gamma, beta = (keras.ops.convert_to_numpy(v)[c] for v in (own.gamma, own.beta))
        wanted = gamma * (x - mean) / np.sqrt(variance + own.epsilon) + beta
        # A few float32 operations on numbers up to 10.
        np.testing.assert_allclose(one.own, wanted, rtol=0, atol=2e-5)
        assert one.scale == gamma and abs(gamma) < 0.5
        # The net's output is behind a ReLU.
        shown = keras.ops.convert_to_numpy(outputs[one.receiver])[0, ..., c]
        np.testing.assert_allclose(np.maximum(one.donated, 0), shown, rtol=0, atol=2e-5)
        assert np.abs(one.donated - one.own).max() > 0.01
        mask = replaced_mask(norm, one.receiver)
        assert mask[c] and one.count == mask.sum()
        if scope == "subpart":
            part = norm.own_part(one.receiver)
            assert not mask[: part.start].any() and not mask[part.stop :].any()


def test_the_most_varied_donation_is_shown():
    model, inputs = build(NAMES[:2], exchange_scope="all"), views(NAMES[:2])
    inputs["rgb"][..., :] *= np.arange(1, CHANNELS + 1, dtype="float32")
    one = next(r for r in replaced_maps(model, inputs) if r.receiver == "depth")
    norm = model.get_layer("norm").norm("rgb")
    gamma, variance = (keras.ops.convert_to_numpy(v) for v in (norm.gamma, norm.moving_variance))
    spread = np.abs(gamma) * 2 * inputs["rgb"][0].std((0, 1)) / np.sqrt(variance + norm.epsilon)
    spread[~replaced_mask(model.get_layer("norm"), "depth")] = 0
    assert one.index == spread.argmax()


def test_directions_and_choices():
    assert shows_plots.direction("rgb", ("rgb", "depth")) == "depth → rgb"
    assert shows_plots.direction("rgb", NAMES) == "others → rgb"
    names = [str(i) for i in range(33)]
    assert shows_plots.evenly(names, 6) == ["0", "6", "13", "19", "26", "32"]
    assert shows_plots.evenly(names[:6], 6) == names[:6]


def test_scales_are_split_and_counted():
    gammas = np.array([[0.3, -0.3, 0.3, 0.3], [1e-9, -0.02, 0.4, 2.0]], "float32")
    scales = Scales(np.array([0, 1]), ("rgb",), np.ones((2, 1)), {"norm": {"rgb": gammas}})
    own, rest = shows_plots.split_scales(scales, {"norm": {"rgb": slice(0, 2)}})
    np.testing.assert_array_equal(own, np.abs(gammas[:, :2]))
    np.testing.assert_array_equal(rest, gammas[:, 2:])
    edges = np.array([1e-5, 1e-2, 1.0, 3.0])
    np.testing.assert_allclose(shows_plots.histogram(own[1], edges), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(shows_plots.histogram(rest[1], edges), [0.0, 0.5, 0.5])
    assert shows_plots.histogram(rest[1, :0], edges).tolist() == [0, 0, 0]


def test_a_large_picture_gets_a_palette(tmp_path):
    figure = matplotlib.figure.Figure((4, 4))
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), "uint8")
    figure.subplots().imshow(noise)
    shows_plots.save(figure, tmp_path / "noise.png")
    picture = (tmp_path / "noise.png").read_bytes()
    assert picture[25] == 3  # IHDR's colour type: indexed


@pytest.mark.gate
def test_the_command_writes_text_and_small_pictures(tiny_run, tmp_path, capsys):
    assert main([str(tiny_run), "--out", str(tmp_path), "--view", "3"]) == 0
    text = (tmp_path / "shows.md").read_text()
    names = re.findall(r"\((shows_\w+\.png)\)", text)
    assert len(names) == 4 and {*names, "shows.md"} == {p.name for p in tmp_path.iterdir()}
    for name in names:
        picture = (tmp_path / name).read_bytes()
        assert picture.startswith(b"\x89PNG") and 5_000 < len(picture) < 150_000
    rate = exchange_rate(load_best(tiny_run))
    assert 0 < rate["share_of_penalised"] < 1
    assert f"{100 * rate['share_of_penalised']:.1f} % of the penalised channels" in text
    for layer, parts in rate["layers"].items():
        assert f"| {layer} | {100 * parts['rgb']:.0f} | {100 * parts['depth']:.0f} |" in text
    with np.load(tiny_run / "scales.npz") as file:
        last = file["alpha"][-1]
    assert f"rgb 0.500 at first, {last[0]:.3f} at the end" in text


def test_what_cannot_be_shown_is_refused(tiny_run, tmp_path, capsys, monkeypatch):
    out = ["--out", str(tmp_path / "out")]
    assert main([str(tiny_run), *out, "--view", "4"]) == 2
    assert "views 0 to 3" in capsys.readouterr().err
    assert main([str(tmp_path), *out]) == 2
    assert "no run folder" in capsys.readouterr().err
    monkeypatch.setattr(shows, "load_best", lambda run: build(("rgb",)))
    assert main([str(tiny_run), *out]) == 2
    assert "does not exchange" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
