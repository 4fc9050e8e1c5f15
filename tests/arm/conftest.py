"""The presets' artifacts, made once on this machine, and what it computes with them."""

import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from parts import absent
from seeded import images, trained_looking

from cen_keras.data.labels import NYU13_CLASSES, palette
from cen_keras.models import Segmenter
from deploy import calibration
from deploy.artifacts import apply_scheme, float_artifact
from deploy.run_folder import RunFolder
from deploy.runtime import manifest as manifests
from deploy.runtime.preprocess import quantize
from deploy.runtime.runner import open_runner
from deploy.targets import TARGETS

sys.path.insert(0, str(Path(__file__).parent))
from emulated import missing

SIZE = (96, 128)
# Target -> schemes; the .onnx ones run in ONNX Runtime, whose kernels are others.
SCHEMES = {
    "tflite": ("fp32", "fp16", "dynamic_w8", "static_w8a8"),
    "onnx": ("fp32", "static_w8a8"),
}
PRESETS = ("cen_edge_s_rooms", "cen_edge_m_rooms", "cen_edge_l")


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/arm/" in item.path.as_posix():
            item.add_marker(pytest.mark.arm)
            # Conversions and an emulated processor; on a busy machine both wait.
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session", autouse=True)
def board():
    """Skips, or fails where the part has to run, without an emulated board."""
    reason = missing()
    if reason:
        absent("arm", reason)


@dataclasses.dataclass(frozen=True)
class Made:
    """An artifact, the inputs it is given, in a file too, and what this machine computes."""

    preset: str
    scheme: str
    path: object
    inputs: object
    outputs: dict


def run_of(model, path):
    plain = {
        "rgb": {"scale": 1 / 255, "mean": [0.5] * 3, "std": [0.25] * 3},
        "depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]},
    }
    data = {
        "task": "segmentation",
        "dataset": None,
        "modalities": list(model.modalities),
        "classes": list(NYU13_CLASSES),
        "palette": [[int(c) for c in colour] for colour in palette(13)],
        "normalization": {name: plain[name] for name in model.modalities},
        "image_shape": list(SIZE),
    }
    return RunFolder(path, data)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """Every scheme of every preset."""
    folder = tmp_path_factory.mktemp("zoo")
    return [
        made
        for preset in PRESETS
        for target, schemes in SCHEMES.items()
        for made in _made(preset, target, schemes, folder)
    ]


def _made(preset, target_name, schemes, folder):
    keras.utils.set_random_seed(0)
    if preset.endswith("_rooms"):
        model = Segmenter.from_preset(preset)
    else:
        model = trained_looking(Segmenter.from_preset(preset, num_classes=13))
    target = TARGETS[target_name]
    content, manifest = float_artifact(run_of(model, folder), model, target, "all", SIZE)
    samples = images(model, SIZE, batch=4)
    collected = calibration.Calibration(samples)
    for scheme in schemes:
        made = (
            (content, manifest)
            if scheme == "fp32"
            else apply_scheme(content, manifest, target, scheme, collected)
        )
        path = folder / f"{preset}-{scheme}{target.suffix}"
        saved = manifests.save(dataclasses.replace(made[1], run=None), path, made[0])
        fed = {}
        for name, spec in saved.inputs.items():
            value = samples[name][:1]
            fed[name] = (
                value
                if spec.quantization is None
                else quantize(value, spec.quantization, spec.dtype)
            )
        inputs = path.with_name(path.name + ".inputs.npz")
        np.savez(inputs, **fed)
        yield Made(preset, scheme, path, inputs, open_runner(path, threads=1).run_raw(fed))
