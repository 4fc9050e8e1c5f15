"""The training's page and pictures: they hold what the last evaluation found, and come at most so often."""

import struct

import keras
import numpy as np
import pytest
from html_pages import Page

from cen_keras.data.loader import Loader
from cen_keras.data.rooms.views import RoomSpec, RoomViews
from cen_keras.pages.evaluated import Evaluated, ViewPictures
from cen_keras.training.callbacks import EvaluateStreams
from cen_keras.training.logs import EventLog
from cen_keras.training.show import ShowEvaluation, named_pictures


class OnlyWall:
    """A model that sees wall everywhere, and in one half of the picture a bed."""

    def predict_on_batch(self, inputs):
        rgb = next(iter(inputs.values()))
        logits = np.zeros((*rgb.shape[:3], 13), "float32")
        logits[..., 11] = 1
        logits[:, :, : rgb.shape[2] // 2, 0] = 2
        return {"rgb": logits, "ensemble": logits}

    layers = ()
    modalities = ("rgb", "depth")


@pytest.fixture
def evaluation():
    views = RoomViews(RoomSpec(split="val", size=(32, 48)), count=5)
    callback = EvaluateStreams(Loader(views, 2, modalities=("rgb", "depth")), 13)
    callback._model = OnlyWall()
    callback.set_params({"epochs": 1})
    return callback


def test_an_evaluation_tells_classes_confusion_and_views(evaluation, monkeypatch):
    monkeypatch.setattr(
        "cen_keras.training.callbacks.exchange_rate",
        lambda model: {"share_of_penalised": 0.0, "layers_exchanging": 0},
    )
    assert evaluation.evaluated() is None
    evaluation.on_epoch_end(0, {})
    found = evaluation.evaluated()
    assert found.epoch == 0 and found.confusion.sum() <= 5 * 32 * 48
    # Two columns of classes are ever predicted: bed and wall.
    assert set(np.flatnonzero(found.confusion.sum(0))) == {0, 11}
    assert set(found.iou) == {"rgb", "ensemble"} and len(found.iou["rgb"]) == 13
    assert [view.name for view in found.views] == ["worst_1", "worst_2", "best_1", "best_2"]
    captions = [caption for caption, _ in found.views[0].pictures]
    assert captions == ["rgb", "depth", "truth", "ensemble", "wrong in red"]
    for view in found.views:
        pictures = dict(view.pictures)
        wrong = (pictures["wrong in red"] == (214, 40, 57)).all(-1)
        known = pictures["wrong in red"].any(-1)
        share = float(view.title.rpartition(", ")[2].split()[0])
        # The title is rounded to a tenth of a percent.
        assert 100 * (1 - wrong[known].mean()) == pytest.approx(share, abs=0.051)
    assert {f"views/{view.name}" for view in found.views} < set(named_pictures(found))


class Once:
    """A callback with one evaluation."""

    def evaluated(self):
        picture = np.zeros((4, 6, 3), np.uint8)
        view = ViewPictures("worst 1 <b>", [("rgb", picture), ("truth", picture)], "worst_1")
        iou = {"ensemble": {"wall": 0.5, "bed": None}}
        return Evaluated(
            1, iou, np.array([[3, 1], [0, 0]]), ("wall", "bed"), [[1, 2, 3]] * 2, [view]
        )


class Kept:
    def __init__(self):
        self.seen = []

    def pictures(self, step, pictures):
        self.seen.append((step, sorted(pictures)))


def run_logs(run):
    (run / "log.csv").write_text("epoch,loss,ensemble_miou,exchanged\n0,2,0.1,0\n1,1,0.25,0.4\n")
    (run / "exchange.csv").write_text("epoch,layer,modality,share\n0,norm,rgb,0.5\n")


def test_the_page_comes_at_the_end_and_stands_alone(tmp_path):
    run_logs(tmp_path)
    sink = Kept()
    show = ShowEvaluation(tmp_path, ["ensemble"], [keras.callbacks.Callback(), Once()], [sink])
    show.set_params({"epochs": 2})
    show.on_epoch_end(0)
    show.on_epoch_end(1)
    assert not (tmp_path / "training.html").exists() and sink.seen == []
    show.on_train_end()
    page = Page((tmp_path / "training.html").read_text())
    words = " ".join(" ".join(page.words).split())
    for wanted in ("Epoch 2 of 2", "25.0 mIoU of ensemble", "40 %", "worst 1 <b>", "after epoch 2"):
        assert wanted in words, wanted
    assert len(page.figures) == 4 and len(page.images) == 2
    assert all(source.startswith("data:image/png") for source in page.images)
    assert page.links == [] and page.open == []
    assert sink.seen == [(1, ["confusion", "views/worst_1"])]


def test_it_comes_as_often_as_wanted_and_before_an_evaluation(tmp_path):
    run_logs(tmp_path)
    show = ShowEvaluation(tmp_path, ["ensemble"], [], every=0)
    show.set_params({"epochs": 9})
    show.on_epoch_end(0)
    page = Page((tmp_path / "training.html").read_text())
    assert len(page.figures) == 2 and page.images == []
    show.on_train_end()


def test_tensorboard_gets_pictures(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = EventLog(tmp_path)
    picture = np.zeros((4, 6, 3), np.uint8)
    events.pictures(3, {"views/worst_1": picture})
    read = accumulator.EventAccumulator(str(tmp_path), size_guidance={"tensors": 0})
    read.Reload()
    (image,) = read.Tensors("views/worst_1")
    width, height, content = image.tensor_proto.string_val
    assert (image.step, width, height) == (3, b"6", b"4")
    assert read.SummaryMetadata("views/worst_1").plugin_data.plugin_name == "images"
    # Width and height stand in a PNG's first chunk.
    assert struct.unpack(">II", content[16:24]) == (6, 4)
