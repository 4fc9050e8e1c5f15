"""rgb and thermal of one channel, from a folder through export, int8, verify and demo."""

import json

import numpy as np
import pytest
from PIL import Image
from seeded import trained_looking

from cen_keras.metrics.confusion import ConfusionMatrix
from cen_keras.modalities import modality_of
from deploy import calibration
from deploy.__main__ import main
from deploy.run_folder import open_run
from deploy.runtime import manifest as manifests

SIZE = (48, 64)
CLASSES = ("floor", "ball", "box")
MODALITIES = ("rgb", "thermal")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of rgb and thermal, with void as label 0, and the folder of its views."""
    from functools import partial

    from cen_keras.backbones import BACKBONES
    from cen_keras.backbones.resnet import basic_block, resnet
    from cen_keras.models import Segmenter

    root = tmp_path_factory.mktemp("thermal")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 3)):
        for index in range(count):
            label = rng.integers(0, 4, SIZE, np.uint8)  # 0 is void
            pictures = {
                "rgb": rng.integers(0, 256, (*SIZE, 3), np.uint8),
                "thermal": rng.integers(0, 65536, SIZE).astype(np.uint16),
                "label": label,
            }
            for kind, picture in pictures.items():
                path = root / split / kind / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(path)
    thermal = modality_of({"name": "thermal", "scale": 1 / 65535})
    described = {"rgb": modality_of("rgb"), "thermal": thermal}
    BACKBONES["for_tests"] = partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(16, 16, 24, 24), stem_size=3
    )
    model = trained_looking(
        Segmenter(
            tuple(described.values()),
            num_classes=4,
            backbone="for_tests",
            decoder_options={"filters": 16, "pooling_stages": 1},
        )
    )
    folder = root / "run"
    folder.mkdir()
    model.save(folder / "best.keras")
    classes = ["void", *CLASSES]
    data = {
        "task": "segmentation",
        "dataset": {"name": "frames", "root": str(root / "{split}"), "classes": classes},
        "modalities": list(MODALITIES),
        "classes": classes,
        "palette": [[1, 2, 3], [90, 0, 0], [0, 90, 0], [0, 0, 90]],
        "normalization": {
            name: {"scale": m.scale, "mean": list(m.mean), "std": list(m.std)}
            for name, m in described.items()
        },
        "descriptions": {name: m.to_config() for name, m in described.items()},
        "ignore": 0,
        "image_shape": list(SIZE),
    }
    (folder / "data.json").write_text(json.dumps(data))
    return folder


@pytest.fixture(scope="module")
def artifacts(run):
    assert main(["export", str(run)]) == 0
    assert main(["export", str(run), "--scheme", "static_w8a8"]) == 0
    return run / "tflite/fp32.tflite", run / "tflite/static_w8a8.tflite"


def test_the_manifest_says_what_thermal_is(artifacts):
    for artifact in artifacts:
        spec = manifests.load(artifact).inputs["thermal"]
        assert spec.content == "image" and spec.hwc == (*SIZE, 1)
        assert spec.kind.channels == 1 and "lwir" in spec.kind.aliases
        assert spec.normalization.scale == pytest.approx(1 / 65535)


def test_verify_leaves_void_out(run, artifacts, capsys):
    assert main(["verify", str(artifacts[0]), "--json", str(run / "v.json")]) == 0
    assert set(json.loads((run / "v.json").read_text())["outputs"]) == {*MODALITIES, "ensemble"}
    confusion = ConfusionMatrix(4, open_run(run).ignore)
    confusion.update(np.array([0, 0, 1, 3]), np.array([1, 2, 1, 3]))
    assert confusion.matrix.sum() == 2 and confusion.result()["miou"] == 1


def test_the_demo_reads_thermal(run, artifacts, tmp_path, capsys):
    source = f"frames:{run.parent / 'val'}"
    for artifact in artifacts:
        out = tmp_path / artifact.stem
        assert (
            main(["demo", "--artifact", str(artifact), "--source", source, "--out", str(out)]) == 0
        )
        assert len(list(out.glob("*.png"))) == 3
    assert "missing" not in capsys.readouterr().err


def test_a_source_without_thermal_is_refused(run, artifacts, tmp_path, capsys):
    (tmp_path / "rgb").mkdir()
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(tmp_path / "rgb/0.png")
    for source in (f"frames:{tmp_path}", "rooms", "realsense"):
        code = main(
            ["demo", "--artifact", str(artifacts[0]), "--source", source, "--out", str(tmp_path)]
        )
        error = capsys.readouterr().err.strip()
        assert code == 2 and error.startswith("error: ")
        assert "thermal" in error or source == "realsense"


def test_nan_in_samples_is_named(run, artifacts, tmp_path, capsys):
    drawn = calibration.collect(
        open_run(run).views("train"), manifests.load(artifacts[0]).inputs, 2
    )
    drawn.arrays["thermal"][0, 0, :3] = np.nan
    calibration.save(drawn, tmp_path / "nan.npz")
    command = ["export", str(run), "--scheme", "static_w8a8", "--calibration"]
    assert main([*command, str(tmp_path / "nan.npz")]) == 2
    assert "'thermal': 3 of 6144 values are NaN" in capsys.readouterr().err
