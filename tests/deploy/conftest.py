"""A run folder as training would leave it, small and with seeded weights, and its artifacts; made once."""

import json

import pytest
from seeded import trained_looking

from cen_keras.data.labels import NYU13_CLASSES, palette

SIZE = (48, 64)


def data_json():
    return {
        "task": "segmentation",
        "dataset": {"name": "rooms", "size": list(SIZE), "train": 8, "val": 4},
        "modalities": ["rgb", "depth"],
        "classes": list(NYU13_CLASSES),
        "palette": [[int(c) for c in colour] for colour in palette(13)],
        "normalization": {
            "rgb": {
                "scale": 1 / 255,
                "mean": [0.485, 0.456, 0.406],
                "std": [0.229, 0.224, 0.225],
            },
            "depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]},
        },
        "image_shape": list(SIZE),
        "depth_unit": "metre",
    }


@pytest.fixture(scope="session")
def run_path(tmp_path_factory):
    """A run folder; tests that write into it copy it first."""
    from cen_keras.models import Segmenter

    model = trained_looking(
        Segmenter(
            ("rgb", "depth"),
            num_classes=13,
            backbone="narrow",
            decoder_options={"filters": 16, "pooling_stages": 2},
        )
    )
    folder = tmp_path_factory.mktemp("runs") / "cen"
    folder.mkdir()
    model.save(folder / "best.keras")
    (folder / "data.json").write_text(json.dumps(data_json()))
    return folder


@pytest.fixture(scope="session")
def artifacts(run_path, tmp_path_factory):
    """The run's artifacts "fp32", "int8" and "as_trained", made with one conversion each."""
    import dataclasses

    from deploy import calibration
    from deploy.export.pipeline import apply_scheme, float_artifact
    from deploy.run_folder import open_run
    from deploy.runtime import manifest as manifests
    from deploy.targets import TARGETS

    run, target, folder = open_run(run_path), TARGETS["tflite"], run_path / "tflite"
    model = run.model()
    content, manifest = float_artifact(run, model, target, "all", SIZE)
    samples = calibration.collect(run.views("train"), manifest.inputs, 8)
    made = {
        "fp32": (content, manifest),
        "int8": apply_scheme(content, manifest, target, "static_w8a8", samples),
        "as_trained": float_artifact(run, model, target, "all", SIZE, as_trained=True),
    }
    paths = {}
    for name, (data, described) in made.items():
        paths[name] = folder / f"{name}.tflite"
        manifests.save(dataclasses.replace(described, run=".."), paths[name], data)
    return paths
