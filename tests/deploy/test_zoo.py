"""Every backbone and decoder through every scheme of both engines, against the frozen float graph."""

import dataclasses

import keras
import numpy as np
import pytest
from seeded import trained_looking
from untrained_run import run_of

from cen_keras.backbones import BACKBONES
from cen_keras.models import Segmenter
from deploy import calibration
from deploy.artifacts import apply_scheme, float_artifact
from deploy.freeze import freeze
from deploy.lint import lint_file
from deploy.runtime import manifest as manifests
from deploy.runtime.runner import open_runner
from deploy.targets import TARGETS

# What rounding may cost: noise power over signal power of the logits. fp32: sums in another order.
# fp16: 11 bits, 2^-22 / 12 of each number's square, some thirty layers of them. 8 bits: a step of
# 2/255 of the range gives (2/255)^2 / 12 = 5e-6 of the largest square, of the usual one perhaps a
# hundred times that, by the layers' number; weights that look trained, but are not, are worse
# than trained ones, so a tenth separates them from a wrong range or a swapped input (above one).
LIMITS = {
    "fp32": 1e-9,
    "fp16": 1e-4,
    "int16x8": 0.05,
    "dynamic_w8": 0.1,
    "static_w8a8": 0.1,
    "static_w8a8_fp16": 0.1,
    "static_w8a8_float_head": 0.1,
}
SIZE = (64, 96)
LIGHT = {"decoder_options": {"filters": 32, "pooling_stages": 2}}
# The dilated ones belong to PSPNet; 101 and 152 are more of what 50 has.
SEGMENTERS = {
    **{
        f"{name} {decoder}": {"backbone": name, "decoder": decoder, **options}
        for name in BACKBONES
        if not name.endswith("_dilated") and name not in ("resnet101", "resnet152")
        for decoder, options in (("light_refinenet", LIGHT),)
    },
    "mobilenet_m light_fpn": {"backbone": "mobilenet_m", "decoder": "light_fpn"},
    "resnet18 refinenet": {"backbone": "resnet18", "decoder": "refinenet"},
    "resnet50 refinenet": {"backbone": "resnet50", "decoder": "refinenet"},
    "one modality": {"modalities": ("rgb",), "backbone": "narrow", **LIGHT},
    "resnet50_dilated pspnet": {"backbone": "resnet50_dilated", "decoder": "pspnet"},
    "three modalities": {
        "modalities": ("rgb", "depth", "normal"),
        "backbone": "narrow",
        **LIGHT,
    },
}
CASES = [
    pytest.param(
        name,
        target,
        marks=pytest.mark.gate
        if (name, target) == ("three modalities", "tflite")
        else pytest.mark.slow,
    )
    for name in SEGMENTERS
    for target in TARGETS
]


def images_of(specs, count, seed):
    generator = np.random.default_rng(seed)
    return {
        name: generator.uniform(-1.5, 1.5, (count, *spec.hwc)).astype(np.float32)
        for name, spec in specs.items()
    }


@pytest.mark.parametrize(("name", "target_name"), CASES)
def test_every_scheme_converts_loads_and_agrees(name, target_name, tmp_path):
    options = {"num_classes": 13, **SEGMENTERS[name]}
    size = (96, 96) if options.get("decoder") == "pspnet" else SIZE
    # A net's noise in 8 bits depends on its kernels: the same ones whatever ran before.
    keras.utils.set_random_seed(0)
    model = trained_looking(Segmenter(**options))
    target, run = TARGETS[target_name], run_of(model, size, tmp_path)
    content, manifest = float_artifact(run, model, target, "all", size)
    samples = calibration.Calibration(images_of(manifest.inputs, 4, seed=0))
    x = images_of(manifest.inputs, 1, seed=0)
    wanted = {k: np.asarray(v) for k, v in freeze(model, image_shape=size)(x).items()}
    for scheme in target.schemes:
        made = apply_scheme(content, manifest, target, scheme, samples)
        path = tmp_path / (scheme + target.suffix)
        manifests.save(dataclasses.replace(made[1], run=None), path, made[0])
        if target.check and scheme != "int16x8":
            target.check(made[0])
        found = open_runner(path).run(x)
        assert set(found) == set(wanted)
        for output, logits in wanted.items():
            noise = ((found[output] - logits) ** 2).sum() / (logits**2).sum()
            assert noise <= LIMITS[scheme], (scheme, output, noise)
        if target_name == "onnx" and scheme.startswith("static"):
            for profile in ("jp5", "jp6", "jp7") if scheme == "static_w8a8" else ("jp6", "jp7"):
                severe = [f for f in lint_file(path, profile) if f.severity in ("E", "W")]
                assert not severe, (profile, severe)
