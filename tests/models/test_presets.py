"""Presets: every one builds, and weights come in whole, rounded no more than the card says, or not at all."""

import json

import keras
import numpy as np
import pytest
from plain_networks import strided
from seeded import images, trained_looking

from cen_keras.baselines import fusion_of
from cen_keras.errors import InputError
from cen_keras.models import Segmenter, presets
from cen_keras.models.weight_files import load_weights, save_weights

LIGHT = {"filters": 16, "top_filters": 8}
SMALL = {
    "num_classes": 3,
    "backbone": "narrow",
    "decoder": "light_fpn",
    "decoder_options": LIGHT,
}


@pytest.fixture(scope="module")
def model():
    return trained_looking(Segmenter(**SMALL))


@pytest.fixture
def shipped(model, tmp_path, monkeypatch):
    """A preset with weights, "tiny_rooms", in a package of its own."""
    path = tmp_path / "tiny_rooms.npz"
    card = {"about": "For tests.", "model": SMALL, "image_shape": [32, 48]}
    card["sha256"] = save_weights(model, path)
    (tmp_path / "tiny_rooms.json").write_text(json.dumps(card))
    monkeypatch.setattr(presets, "WEIGHTS", tmp_path)
    presets.presets.cache_clear()
    yield path
    presets.presets.cache_clear()


def other():
    """A model of the same architecture and other weights."""
    return trained_looking(Segmenter(**SMALL), seed=1)


def test_edge_presets_grow_from_s_to_l():
    built = [Segmenter.from_preset(f"cen_edge_{size}", num_classes=4) for size in "sml"]
    counts = [model.count_params() for model in built]
    # At 2 bytes each, all three together are meant to stay below the 12 MB that weights may have.
    assert counts == sorted(counts) and 2 * sum(counts) < 12e6
    out = built[0](images(built[0], (64, 96)))
    assert {tuple(logits.shape) for logits in out.values()} == {(1, 16, 24, 4)}
    assert built[0].name == "cen_edge_s"


@pytest.mark.parametrize("size", "sml")
def test_recipes_train_what_the_presets_are(size):
    from recipes.listing import recipe_of

    trained = recipe_of(f"rooms_edge_{size}").model
    for name, value in presets.preset_of(f"cen_edge_{size}").model.items():
        # What a fusion leaves out has its default.
        wanted, found = (
            (fusion_of(value).get_config(), fusion_of(trained[name]).get_config())
            if name == "fusion"
            else (value, trained[name])
        )
        assert found == wanted, name


def test_packed_weights_are_the_saved_ones_to_half_precision(model, shipped):
    loaded = Segmenter.from_preset("tiny_rooms")
    for saved, found in zip(model.weights, loaded.weights, strict=True):
        saved, found = np.asarray(saved), np.asarray(found)
        if saved.ndim < 4:
            np.testing.assert_array_equal(found, saved)
        else:
            # Half of float16's step at 11 bits; below 6e-5 its numbers are 6e-8 apart.
            np.testing.assert_allclose(found, saved, rtol=2.0**-11, atol=3e-8)
    x = images(model, (32, 48))
    wanted = np.asarray(model(x)["ensemble"])
    # About 20 layers, each with rounding of 2^-11 that adds like noise.
    assert np.abs(np.asarray(loaded(x)["ensemble"]) - wanted).max() < 0.01 * np.abs(wanted).max()
    # Twice as compact as float32, and a little for names.
    assert shipped.stat().st_size < 2.5 * model.count_params() + 100_000


def test_without_weights_the_preset_is_an_architecture(model, shipped):
    loaded = Segmenter.from_preset("tiny_rooms", load_weights=False, num_classes=7)
    assert loaded.output["rgb"].shape[-1] == 7
    kernel, trained = (m.get_layer("stem_conv").kernel for m in (loaded, model))
    assert np.abs(np.asarray(kernel) - np.asarray(trained)).max() > 0.01


def test_a_damaged_file_is_refused_and_nothing_is_read(model, shipped):
    whole = shipped.read_bytes()
    target = other()
    before = [np.asarray(w).copy() for w in target.weights]
    good = presets.preset_of("tiny_rooms").card["sha256"]
    for content in (whole[:-10], whole[:5000] + b"x" + whole[5001:], b""):
        shipped.write_bytes(content)
        with pytest.raises(InputError, match="SHA-256.*install cen_keras again"):
            load_weights(target, shipped, good)
    shipped.unlink()
    with pytest.raises(InputError, match="is missing"):
        Segmenter.from_preset("tiny_rooms")
    for weight, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_weights_of_another_architecture_leave_a_model_as_it_was(shipped):
    sha = presets.preset_of("tiny_rooms").card["sha256"]
    target = Segmenter(**{**SMALL, "num_classes": 4})
    before = [np.asarray(w).copy() for w in target.weights]
    with pytest.raises(InputError, match="classifier/kernel"):
        load_weights(target, shipped, sha)
    for weight, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)
    with pytest.raises(InputError, match="load_weights=False"):
        Segmenter.from_preset("tiny_rooms", modalities=("rgb",))
    # The same shapes, and one norm more in the file than in the model.
    fewer = Segmenter(**{**SMALL, "decoder_options": {**LIGHT, "pooling_stages": 1}})
    with pytest.raises(InputError, match="context2.*which the model has not"):
        load_weights(fewer, shipped, sha)


def test_what_is_not_finite_is_not_packed(model, tmp_path):
    broken = other()
    kernel = broken.get_layer("stem_conv").kernel
    kernel.assign(keras.ops.full_like(kernel, 1e6))  # beyond float16
    with pytest.raises(InputError, match="stem_conv/kernel"):
        save_weights(broken, tmp_path / "w.npz")
    assert not list(tmp_path.iterdir())


def test_a_preset_of_a_network_of_one_s_own_is_read_again(tmp_path):
    fusion = {"name": "exchange", "where": "b[23]_norm"}
    made = Segmenter(
        num_classes=3, backbone=strided(), fusion=fusion, decoder_options={"filters": 8}
    )
    model = trained_looking(made)
    model.save_to_preset(tmp_path / "own")
    loaded = Segmenter.from_preset(tmp_path / "own")
    x = images(model, (64, 96))
    for name, logits in loaded(x).items():
        wanted = np.asarray(model(x)[name])
        # About 20 layers, each with rounding of 2^-11 that adds like noise.
        assert np.abs(np.asarray(logits) - wanted).max() < 0.01 * np.abs(wanted).max()
    card = json.loads((tmp_path / "own/card.json").read_text())
    card["model"]["backbone"].update(class_name="Gone", module=None, registered_name="x>Gone")
    (tmp_path / "own/card.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="'own': its Gone cannot be built.*import the module"):
        Segmenter.from_preset(tmp_path / "own")


def test_weights_of_modalities_in_another_order_are_refused(model, tmp_path):
    model.save_to_preset(tmp_path / "saved")
    turned = ("depth", "rgb")
    with pytest.raises(InputError, match="rgb, depth in this order, found depth, rgb; keep"):
        Segmenter.from_preset(tmp_path / "saved", modalities=turned)
    fresh = Segmenter.from_preset(tmp_path / "saved", load_weights=False, modalities=turned)
    assert fresh.modalities == turned
    again = Segmenter.from_preset(tmp_path / "saved", modalities=("rgb", "depth"))
    alphas = [np.asarray(m.get_layer("ensemble").alpha) for m in (again, model)]
    np.testing.assert_array_equal(*alphas)


def test_a_folder_of_a_preset_s_name_does_not_hide_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cen_edge_m_rooms").mkdir()  # Of exports, say.
    assert presets.preset_of("cen_edge_m_rooms").weights.parent == presets.WEIGHTS


def test_unknown_names_and_damaged_cards_are_refused(shipped):
    with pytest.raises(InputError, match="cen_edge_m, cen_edge_l, tiny_rooms"):
        Segmenter.from_preset("cen_edge_xl")
    (shipped.parent / "tiny_rooms.json").write_text("{}")
    presets.presets.cache_clear()
    with pytest.raises(InputError, match="tiny_rooms.json.*not the card"):
        Segmenter.from_preset("cen_edge_s")


def test_packed_presets_count_depth_as_cameras_do():
    """Whoever records with a camera has millimetres, whatever the training's files had."""
    found = {}
    for path in presets.WEIGHTS.rglob("*.json"):
        card = json.loads(path.read_text())
        described = [v["kind"] | {"name": k} for k, v in card.get("inputs", {}).items()]
        for part in (
            card.get("model", {}),
            {"modalities": card.get("data", {}).get("descriptions", {}).values()},
        ):
            described += [m for m in part.get("modalities", ()) if isinstance(m, dict)]
        found[path.name] = {m["unit_per_count"] for m in described if m["name"] == "depth"}
    assert found.pop("qat_w8a8.tflite.json") == found["cen_lite0_nyudv2.json"] == {0.001}
    assert all(units <= {0.001} for units in found.values()), found


def test_the_weights_in_the_package_are_whole_and_small():
    cards = [p for p in presets.presets().values() if p.card]
    assert sum(p.weights.stat().st_size for p in cards) <= 24e6
    for preset in cards:
        model = Segmenter.from_preset(preset.name)
        assert model.count_params() == preset.card["parameters"]
        assert model.num_classes == len(preset.card["data"]["classes"])
