"""segment: raw images in, class maps of their own size out, as the evaluation computes them."""

import numpy as np
import pytest

from cen_keras.classes import Classes
from cen_keras.data.loader import Loader
from cen_keras.data.normalization import Normalization
from cen_keras.data.rooms.views import RoomSpec, RoomViews
from cen_keras.errors import InputError
from cen_keras.metrics.confusion import ConfusionMatrix, resize_logits
from cen_keras.metrics.evaluation import evaluate_streams
from cen_keras.modalities import Modality
from cen_keras.models import Segmenter
from cen_keras.models.raw_images import shape_of

SIZE = (48, 64)


@pytest.fixture(scope="module")
def model():
    return Segmenter.from_preset("cen_edge_s_rooms")


@pytest.fixture(scope="module")
def view():
    return RoomViews(RoomSpec(size=SIZE), count=1)[0]


def raw(view):
    return {"rgb": view["rgb"], "depth": view["depth"]}


def test_a_raw_view_gets_the_class_of_the_largest_logit(model, view):
    found = model.segment(raw(view))
    rgb, depth = model.descriptions["rgb"], model.descriptions["depth"]
    # The definition, written out: (picture * scale - mean) / std.
    x = {
        "rgb": (view["rgb"] * np.float32(rgb.scale) - rgb.mean) / rgb.std,
        "depth": (view["depth"][..., None] - depth.mean[0]) / depth.std[0],
    }
    logits = model.predict_on_batch({k: v[None].astype("float32") for k, v in x.items()})
    expected = resize_logits(np.asarray(logits["ensemble"][0]), SIZE, "bilinear").argmax(-1)
    assert found.shape == SIZE and found.dtype == np.int64
    # Of 3072 pixels a few may lie between two classes to within a rounding of the input.
    assert (found == expected).mean() > 0.999


def test_batches_several_outputs_and_missing_depth(model, view):
    batch = {name: np.stack([image, image]) for name, image in raw(view).items()}
    maps = model.segment(batch, ("rgb", "ensemble"))
    assert set(maps) == {"rgb", "ensemble"} and maps["rgb"].shape == (2, *SIZE)
    np.testing.assert_array_equal(maps["ensemble"][0], maps["ensemble"][1])
    hole = {**raw(view), "depth": view["depth"].copy()}
    hole["depth"][:4] = 0
    nan = {**hole, "depth": np.where(hole["depth"] == 0, np.nan, hole["depth"])}
    np.testing.assert_array_equal(model.segment(hole), model.segment(nan))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {"rgb": x["rgb"]}, "wants exactly"),
        (lambda x: {**x, "label": x["rgb"]}, "wants exactly"),
        (lambda x: {**x, "depth": (x["depth"] * 1000).astype("uint16")}, "uint16"),
        (lambda x: {**x, "depth": x["depth"][:8]}, "height and width"),
        (lambda x: {**x, "rgb": x["rgb"][..., :2]}, "channels"),
    ],
)
def test_images_that_do_not_fit_are_named(model, view, change, message):
    with pytest.raises(InputError, match=message):
        model.segment(change(raw(view)))
    with pytest.raises(InputError, match="'nothing'"):
        model.segment(raw(view), "nothing")


def test_a_saved_preset_knows_all_that_the_model_knew(view, tmp_path):
    warm = Modality("thermal", channels=1, mean=(0.4,), std=(0.2,), scale=1 / 65535)
    made = Segmenter(
        ("rgb", warm),
        backbone="narrow",
        decoder_options={"filters": 8, "pooling_stages": 1},
        classes=Classes(("cold", "hot"), ((0, 0, 255), (255, 0, 0))),
    )
    made.save_to_preset(tmp_path / "warm", "For tests.")
    again = Segmenter.from_preset(tmp_path / "warm")
    assert again.descriptions == made.descriptions and again.classes == made.classes
    images = {"rgb": view["rgb"], "thermal": np.full(SIZE, 30000, np.uint16)}
    # Kernels are rounded to float16, so a pixel between two classes may fall on the other side.
    assert (again.segment(images) == made.segment(images)).mean() > 0.99


def test_other_classes_get_a_fresh_classifier_and_all_else_stays(model, caplog):
    caplog.set_level("INFO")
    fewer = Segmenter.from_preset("cen_edge_s_rooms", classes=("floor", "rest"))
    assert "classifier is fresh" in caplog.text
    assert fewer.classes.names == ("floor", "rest")
    own = {weight.path: weight for weight in model.weights}
    for weight in fewer.weights:
        if not weight.path.startswith("classifier/"):
            np.testing.assert_array_equal(np.array(weight), np.array(own[weight.path]))
    assert Segmenter.from_preset("cen_edge_s_rooms", num_classes=13).classes == model.classes


def test_a_model_of_an_image_shape_sees_all_images_at_it_and_answers_at_their_own(view, tmp_path):
    options = {"filters": 8, "pooling_stages": 1}
    model = Segmenter(num_classes=4, backbone="narrow", decoder_options=options)
    small = Segmenter.from_config({**model.get_config(), "image_shape": (24, 32)})
    small.set_weights(model.get_weights())
    # By area: the mean of each 2x2 of colours; depth takes the second of each two, at (i + 0.5) * 2.
    rgb = view["rgb"].astype("f").reshape(24, 2, 32, 2, 3).mean((1, 3))
    depth = view["depth"][1::2, 1::2]
    fed = {
        name: small.descriptions[name].normalize(x[None], axes=4)
        for name, x in (("rgb", rgb), ("depth", depth))
    }
    logits = np.asarray(model.predict_on_batch(fed)["ensemble"][0])
    expected = resize_logits(logits, SIZE, "bilinear").argmax(-1)
    found = small.segment(raw(view))
    # A mean before or after the normalisation differs by rounding: a few of 3072 pixels may lie between two classes.
    assert found.shape == SIZE and (found == expected).mean() > 0.999
    # Training sees what it is given.
    assert small(fed)["rgb"].shape == model(fed)["rgb"].shape
    # Scores are of the same maps, and a preset keeps the size.
    labels = view["label"][None]
    batch = {n: small.descriptions[n].normalize(view[n][None], axes=4) for n in ("rgb", "depth")}
    matrices = evaluate_streams(small, [(batch, labels % 4)], 4)
    wanted = ConfusionMatrix(4)
    wanted.update(labels % 4, logits[None])
    np.testing.assert_allclose(
        matrices["ensemble"].result()["pixel_accuracy"],
        wanted.result()["pixel_accuracy"],
        atol=3 / 3072,
    )
    small.save_to_preset(tmp_path / "preset")
    assert Segmenter.from_preset(tmp_path / "preset").image_shape == (24, 32)
    with pytest.raises(InputError, match="image_shape is"):
        Segmenter(num_classes=4, backbone="narrow", image_shape=(24, None))


@pytest.mark.parametrize("value", [480, "480", (480,), (480, 0), (480, True), (480.0, 640), None])
def test_an_image_shape_that_is_none_is_refused(value):
    with pytest.raises(
        InputError, match=r"image_shape is \(height, width\) in pixels, for instance"
    ):
        shape_of(value)
    assert shape_of([480, 640]) == (480, 640)


def warnings_of(caplog):
    return [
        record.getMessage()
        for record in caplog.records
        if "the loader gives" in record.getMessage()
    ]


def test_a_loader_that_normalises_otherwise_gives_a_warning(model, caplog):
    views = RoomViews(RoomSpec(size=SIZE), count=2)
    own = Loader(views, 2, modalities=model.descriptions.values())
    other = Loader(
        views, 2, modalities=("rgb", "depth"), normalization=Normalization(["rgb", "depth"])
    )
    scores = []
    for loader in (own, other):
        with caplog.at_level("WARNING"):
            scores.append(evaluate_streams(model, loader, 13)["ensemble"].matrix)
        if loader is own:
            assert not warnings_of(caplog)
    assert len(warnings_of(caplog)) == 2 and "rgb: the model knows it as" in warnings_of(caplog)[0]
    # The loader that has the model's numbers scores what `segment` gives of the raw images.
    wanted = ConfusionMatrix(13)
    wanted.update(
        np.stack([view["label"] for view in views]),
        model.segment(
            {name: np.stack([view[name] for view in views]) for name in ("rgb", "depth")}
        ),
    )
    np.testing.assert_array_equal(scores[0], wanted.matrix)
    assert (scores[0] != scores[1]).any()
    caplog.clear()
    model.predict(other, verbose=0)
    assert len(warnings_of(caplog)) == 2


def test_colours_of_0_to_1_are_refused_and_a_black_picture_is_none_of_them(model):
    view = {"rgb": np.full((*SIZE, 3), 0.5, np.float32), "depth": np.ones(SIZE, np.float32)}
    with pytest.raises(
        InputError, match=r"rgb: found float32 up to 0.5, wanted counts of 0 to 255"
    ):
        model.segment(view)
    assert model.segment({**view, "rgb": view["rgb"] * 0}).shape == SIZE
