"""keras.applications' networks as backbones, trained for some steps: exported in int8 and verified against float."""

import json

import keras
import pytest
from frame_folders import write_views

from cen_keras import Exchange, Segmenter
from cen_keras.data.loader import Loader
from cen_keras.data.rooms.views import RoomSpec, RoomViews
from cen_keras.losses import SegmentationLoss
from deploy.__main__ import main

SIZE = (64, 96)
BACKBONES = ("MobileNetV3Small", "EfficientNetV2B0")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", BACKBONES)
def test_a_lifted_network_is_exported_in_int8_and_verified(name, tmp_path, capsys):
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(None, None, 3)
    )
    views = RoomViews(RoomSpec(size=SIZE), count=48)
    model = Segmenter(
        ("rgb", "depth"),
        backbone=network,
        decoder_options={"filters": 32, "norm": True},
        fusion=Exchange(sparsity=1e-3, gamma_initializer=0.1),
        classes=views.classes,
        image_shape=SIZE,
    )
    model.compile(keras.optimizers.Adam(2e-3), loss=SegmentationLoss())
    loader = Loader(views, 8, modalities=model.descriptions.values(), shuffle=True)
    # Statistics of norms move by a hundredth a step in these networks, and follow the weights later.
    for norm in (n for layer in model.layers for n in getattr(layer, "norms", ())):
        norm.momentum = 0.8
    model.fit(loader, shuffle=False, epochs=6, verbose=0)
    model.save(tmp_path / "model.keras")
    frames = write_views(views, tmp_path / "frames")
    command = ["export", str(tmp_path / "model.keras"), "--calibration", str(frames)]
    # Their activations have no fast int8 kernel on a CPU; a delegate has.
    command += ["--scheme", "static_w8a8", "--tune", "none", "--out", str(tmp_path / "out")]
    assert main(command) == 0
    capsys.readouterr()
    (artifact,) = (tmp_path / "out").glob("*.tflite")
    assert main(["verify", str(artifact), "--data", str(frames), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] and found["worst_drop"] <= found["allowed_drop"]
