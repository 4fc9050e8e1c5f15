"""A run folder as training would leave it, small and with seeded weights, and its artifacts; made once."""

import dataclasses
import json
from functools import partial

import pytest
from deploy_size import SIZE
from seeded import trained_looking

from cen_keras.data.labels import NYU13_CLASSES, palette


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
    from cen_keras.backbones import BACKBONES
    from cen_keras.backbones.resnet import basic_block, resnet
    from cen_keras.models import Segmenter

    # Conversion takes its time per layer, so there are few.
    BACKBONES["for_tests"] = partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(16, 16, 24, 24), stem_size=3
    )
    model = trained_looking(
        Segmenter(
            ("rgb", "depth"),
            num_classes=13,
            backbone="for_tests",
            decoder_options={"filters": 16, "pooling_stages": 1},
        )
    )
    folder = tmp_path_factory.mktemp("runs") / "cen"
    folder.mkdir()
    model.save(folder / "best.keras")
    (folder / "data.json").write_text(json.dumps(data_json()))
    return folder


@pytest.fixture(scope="session")
def artifacts(run_path):
    """The run's artifacts "fp32" and "int8", made with one conversion."""
    from deploy import calibration
    from deploy.artifacts import apply_scheme, float_artifact
    from deploy.run_folder import open_run
    from deploy.targets import TARGETS

    run, target = open_run(run_path), TARGETS["tflite"]
    content, manifest = float_artifact(run, run.model(), target, "all", SIZE)
    samples = calibration.collect(run.views("train"), manifest.inputs, 8)
    quantised = apply_scheme(content, manifest, target, "static_w8a8", samples)
    return {
        "fp32": keep(run_path / "tflite" / "fp32.tflite", content, manifest),
        "int8": keep(run_path / "tflite" / "static_w8a8.tflite", *quantised),
    }


@pytest.fixture(scope="session")
def as_trained(run_path):
    """The run's float export with the exchange in the graph."""
    from deploy.artifacts import float_artifact
    from deploy.run_folder import open_run
    from deploy.targets import TARGETS

    run = open_run(run_path)
    made = float_artifact(run, run.model(), TARGETS["tflite"], "all", SIZE, as_trained=True)
    return keep(run_path / "bench" / "as_trained.tflite", *made)


def keep(path, content, manifest):
    from deploy.runtime import manifest as manifests

    manifests.save(dataclasses.replace(manifest, run=".."), path, content)
    return path


@pytest.fixture(scope="session")
def translation_run(tmp_path_factory):
    """A translation's run folder; tests add exports to it and change nothing else."""
    import tiny_translation

    from cen_keras.training.settings import apply_settings
    from cen_keras.training.translation_task import data_json as data_of
    from cen_keras.training.translation_task import open_loader
    from recipes.listing import recipe_of

    folder = tmp_path_factory.mktemp("translation")
    tiny_translation.translator().save(folder / "best.keras")
    settings = ["data.size=32,32", "data.val=3", "data.train=3", "data.cache=null"]
    recipe = apply_settings(recipe_of("rooms_translation_tiny"), settings)
    loader = open_loader(recipe, "val", training=False)
    (folder / "data.json").write_text(json.dumps(data_of(recipe, loader)))
    return folder
