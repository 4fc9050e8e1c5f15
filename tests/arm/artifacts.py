"""The presets' artifacts, made on this machine, and what it computes with them."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
from seeded import images, preset_model
from untrained_run import run_of

from deploy import calibration
from deploy.artifacts import apply_scheme, float_artifact
from deploy.runtime import manifest as manifests
from deploy.runtime.preprocess import quantize
from deploy.runtime.runner import open_runner
from deploy.targets import TARGETS

SIZE = (96, 128)
# Each takes a conversion; the .onnx ones run in ONNX Runtime, whose kernels are others.
CASES = [
    (preset, target)
    for preset in ("cen_edge_s_rooms", "cen_edge_m_rooms", "cen_edge_l", "cen_lite0_nyudv2")
    for target in ("tflite", "onnx")
]
# ONNX Runtime 1.31 loads it on x86 and refuses it on ARM64, where it makes a QLinearConcat with 16-bit scales.
FOR_TENSORRT = "static_w8a8_fp16"


@dataclasses.dataclass(frozen=True)
class Made:
    """An artifact, the inputs it is given, in a file too, and what this machine computes."""

    scheme: str
    path: Path
    inputs: Path
    outputs: dict


def make(preset, target_name, folder):
    """Yields the preset in every scheme of the target."""
    keras.utils.set_random_seed(0)
    model = preset_model(preset)
    target = TARGETS[target_name]
    content, manifest = float_artifact(run_of(model, SIZE, folder), model, target, "all", SIZE)
    samples = images(model, SIZE, batch=4)
    collected = calibration.Calibration(samples)
    for scheme in target.schemes:
        if scheme == FOR_TENSORRT:
            continue
        made = apply_scheme(content, manifest, target, scheme, collected)
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
        yield Made(scheme, path, inputs, open_runner(path, threads=1).run_raw(fed))
