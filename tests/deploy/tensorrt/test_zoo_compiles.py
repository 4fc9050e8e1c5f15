"""NVIDIA's compiler (TensorRT for RTX, no GPU) builds every ONNX artifact of the zoo for Ampere and Blackwell.

Compiling depends on the graph, hardly on the images' size, so that is small.
"""

import functools

import keras
import onnx
import pytest
from parts import needed
from seeded import images, preset_model, trained_looking

from cen_keras.fusion import Exchange
from cen_keras.models import Segmenter, Translator
from cen_keras.models.presets import presets
from deploy.freeze import freeze
from deploy.target import Wanted
from deploy.targets import TARGETS

needed("tensorrt-rtx", "tensorrt_rtx_bindings")
from deploy.tensorrt.judge import judge  # noqa: E402

ONNX = TARGETS["onnx"]
LIGHT = {"decoder_options": {"filters": 32, "pooling_stages": 2}}
# The official graph with an eighth of its filters.
REFINENET = {"decoder": "refinenet", "decoder_options": {"filters": 32, "deep_filters": 64}}
FLOAT = ("fp32", "fp16")


def segmenter(backbone, decoder="light_refinenet", modalities=("rgb", "depth"), **options):
    model = Segmenter(modalities, num_classes=13, backbone=backbone, decoder=decoder, **options)
    return trained_looking(model)


def translator(modalities):
    # The official depth with an eighth of its filters.
    model = Translator(
        modalities, "normal", base_filters=8, discriminator_filters=8, fusion=Exchange(1e-2)
    )
    trained_looking(model.generator)
    return model


of = functools.partial
# Name -> what makes it, its images' size, its schemes. ResNet-101 and -152 are more of what 50 has.
CASES = {
    **{
        f"{name} light_refinenet": (of(segmenter, name, **LIGHT), (64, 96), ONNX.schemes)
        for name in (
            "narrow", "resnet18", "resnet34", "resnet50",
            "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2",
        )
    },
    "mobilenet_m light_fpn": (of(segmenter, "mobilenet_m", "light_fpn"), (64, 96), ONNX.schemes),
    "resnet18 refinenet": (of(segmenter, "resnet18", **REFINENET), (64, 96), ONNX.schemes),
    "resnet50 refinenet": (of(segmenter, "resnet50", **REFINENET), (64, 96), ONNX.schemes),
    "resnet50_dilated pspnet": (of(segmenter, "resnet50_dilated", "pspnet"), (96, 96), ONNX.schemes),
    "one modality": (of(segmenter, "narrow", modalities=("rgb",), **LIGHT), (64, 96), ONNX.schemes),
    "three modalities": (
        of(segmenter, "narrow", modalities=("rgb", "depth", "normal"), **LIGHT), (64, 96), ONNX.schemes,
    ),
    **{name: (of(preset_model, name), (96, 128), ONNX.schemes) for name in presets()},
    "translator of two": (of(translator, ("rgb", "depth")), (256, 256), FLOAT),
    "translator of three": (of(translator, ("rgb", "depth", "edge")), (256, 256), FLOAT),
}  # fmt: skip
# What the gate builds: each kind once. The presets that are left are these networks with other weights or classes.
GATE = (
    "resnet50 refinenet", "one modality", "cen_edge_s_rooms", "cen_edge_m_rooms", "cen_edge_l", "cen_lite0_nyudv2",
    "translator of two", "three modalities",
)  # fmt: skip


def marks(name):
    return pytest.mark.gate if name in GATE else pytest.mark.slow


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in CASES])
def test_every_scheme_is_built(name):
    make, size, schemes = CASES[name]
    keras.utils.set_random_seed(0)
    model = make()
    frozen = freeze(model, image_shape=size)
    samples = images(getattr(model, "generator", model), size)
    content = ONNX.write(frozen, size)
    for scheme in schemes:
        made, _ = ONNX.make(content, Wanted(scheme, samples))
        found = judge(onnx.load_model_from_string(made), ("8.6", "12.0"))
        # Nothing refused, nothing of what has pairs in 8 bits left in floats.
        assert [f.rule for f in found].count("C4") == 2, (scheme, found)
        assert not [f for f in found if f.rule in ("C0", "C2")], (scheme, found)
