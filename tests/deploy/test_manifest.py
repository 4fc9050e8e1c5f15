"""The manifest says everything, and nothing that does not hold is let through."""

import copy
import json

import pytest

from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError
from deploy.runtime.manifest import Manifest
from deploy.runtime.tensors import Normalization, Quantization, TensorSpec


def example():
    image = Normalization(1 / 255, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    metres = Normalization(1.0, (0.0,), (1.0,))
    code = Quantization(0.02, -3)
    return Manifest(
        task="segmentation",
        target="tflite",
        scheme="static_w8a8",
        inputs={
            "rgb": TensorSpec("rgb", (1, 8, 12, 3), "NHWC", "int8", "image", code, image),
            "depth": TensorSpec("depth", (1, 1, 8, 12), "NCHW", "float32", "depth", None, metres),
        },
        outputs={"ensemble": TensorSpec("ensemble", (1, 2, 3, 2), "NHWC", "int8", "logits", code)},
        classes=("wall", "floor"),
        palette=((1, 2, 3), (4, 5, 6)),
        dataset={"name": "rooms"},
        run="..",
        calibration={"count": 8, "seed": 0, "sha256": "00"},
        freeze={"macs": {"before": 2, "after": 1}},
        versions={"keras": "3"},
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "a.tflite"
    return path, manifests.save(example(), path, b"content of the artifact")


def test_what_was_saved_is_what_is_loaded(saved):
    path, manifest = saved
    assert manifests.load(path) == manifest
    assert manifest.file_bytes == len(b"content of the artifact")
    assert manifest.inputs["depth"].hwc == (8, 12, 1)


def edit(path, change):
    file = path.with_suffix(".tflite.json")
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(format="zip"), "format is 'zip'"),
        (lambda v: v.update(format_version=2), "format version 2, this program reads 1; update"),
        (lambda v: v.update(format_version=0), "export the artifact again"),
        (lambda v: v["file"].update(sha256="0" * 64), "SHA-256"),
        (lambda v: v["file"].update(bytes=3), "23 bytes, but its manifest says 3"),
        (lambda v: v["inputs"]["rgb"].update(shape=[1, 8, 12]), "four positive whole numbers"),
        (lambda v: v["inputs"]["rgb"].update(shape=[1, 8, True, 3]), "four positive"),
        (lambda v: v["inputs"]["rgb"].update(dtype="int3"), "dtype is 'int3'"),
        (lambda v: v["inputs"]["rgb"].update(quantization=None), "'quantization'"),
        (lambda v: v["inputs"]["rgb"]["quantization"].update(scale=0), "positive number"),
        (lambda v: v["inputs"]["rgb"]["quantization"].update(zero_point=0.5), "'zero_point'"),
        (lambda v: v["inputs"]["rgb"]["normalization"].update(mean=[0.5]), "wanted 3 numbers"),
        (lambda v: v["inputs"]["rgb"]["normalization"].update(std=[1, 0, 1]), "positive"),
        (lambda v: v["inputs"]["depth"].update(shape=[1, 1, 4, 12]), "differ in size"),
        (lambda v: v.update(inputs={}), "inputs is empty"),
        (lambda v: v.update(classes=["wall"]), "1 classes but 2 colours"),
        (
            lambda v: v.update(classes=["wall"] * 256),
            "256 classes; what runs on a board has at most 255",
        ),
        (lambda v: v.update(classes=["a", "b", "c"], palette=[[0, 0, 0]] * 3), "2 channels"),
        (lambda v: v["inputs"]["depth"]["kind"].update(unit=3), "unit is 3"),
        (lambda v: v["inputs"]["depth"]["kind"].update(limits=[1]), "limits is (1,)"),
        (lambda v: v["inputs"]["depth"]["kind"].update(values=[5, 1]), "least and the largest"),
        (lambda v: v["inputs"]["depth"]["kind"].update(mirror="flip"), "mirror is 'flip'"),
        (lambda v: v["inputs"]["depth"]["kind"].update(missing="no"), "missing is 'no'"),
        (lambda v: v["inputs"]["depth"]["kind"].update(unit_per_count=0), "above 0"),
        (lambda v: v["inputs"]["depth"]["kind"].update(missing_counts=[0.5]), "whole numbers"),
        (lambda v: v["inputs"]["depth"]["kind"].update(colour=1), "'colour' of its kind"),
        (lambda v: v["inputs"]["rgb"]["normalization"].update(scale=float("nan")), "scale is nan"),
        (lambda v: v["inputs"]["rgb"]["normalization"].update(mean=[1, 2, float("inf")]), "mean"),
    ],
)
def test_a_manifest_that_does_not_hold(saved, change, words):
    path, _ = saved
    edit(path, change)
    with pytest.raises(InputError) as caught:
        manifests.load(path)
    assert words in str(caught.value)
    assert str(path.with_suffix("")) in str(caught.value)


def leaves(value, path=()):
    if isinstance(value, dict) and path[:1] not in (("freeze",), ("versions",), ("dataset",)):
        for key, item in value.items():
            yield (*path, key)
            if key != "calibration":
                yield from leaves(item, (*path, key))


def test_every_missing_field_is_named():
    whole = example().to_json()
    optional = {("outputs", "ensemble")}
    for place in leaves(whole):
        value = copy.deepcopy(whole)
        inner = value
        for key in place[:-1]:
            inner = inner[key]
        del inner[place[-1]]
        if (
            place in optional
            or "kind" in place  # what is lacking there has its usual value
            or place[:2] in {("inputs", "rgb"), ("inputs", "depth")}
            and len(place) == 2
        ):
            continue
        if place == ("inputs", "depth", "quantization"):
            continue  # a float tensor needs none
        with pytest.raises(InputError, match=repr(place[-1])):
            manifests.parse(value, "a.json")


def depth_kind(value):
    return value["inputs"]["depth"]["kind"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(palette=[3] * len(v["palette"])), "a colour of the palette is 3"),
        (lambda v: v["palette"].__setitem__(0, [0, 0, 300]), r"\[0, 0, 300\]"),
        (lambda v: v["palette"].__setitem__(0, [0, 0.5, 1]), "whole numbers"),
        (lambda v: v["palette"].__setitem__(0, [0, 0]), "three whole numbers"),
        (lambda v: v["classes"].__setitem__(0, None), "wanted names"),
        (lambda v: v.update(task="detection"), "'detection', wanted segmentation or translation"),
        (lambda v: v["inputs"]["rgb"]["normalization"].update(mean=[float("nan")] * 3), "mean is"),
        (lambda v: v["inputs"]["rgb"]["normalization"].update(scale=float("inf")), "scale is inf"),
    ],
)
def test_values_that_make_no_sense_are_named(change, words):
    value = example().to_json()
    change(value)
    # As it would come out of a file: Python's reader takes NaN.
    with pytest.raises(InputError, match=words):
        manifests.parse(json.loads(json.dumps(value)), "a.json")


def test_two_targets_share_a_folder(tmp_path):
    for name, content in (("a.tflite", b"one"), ("a.onnx", b"two")):
        manifests.save(example(), tmp_path / name, content)
    assert manifests.load(tmp_path / "a.tflite").file_bytes == 3
    assert manifests.load(tmp_path / "a.onnx").file_name == "a.onnx"
    (tmp_path / "a.onnx.json").rename(tmp_path / "a.json")
    with pytest.raises(InputError, match="rename a.json"):
        manifests.load(tmp_path / "a.onnx")


def test_files_that_are_missing_or_damaged(saved, tmp_path):
    path, _ = saved
    with pytest.raises(InputError, match="no such artifact"):
        manifests.load(tmp_path / "b.tflite")
    with pytest.raises(InputError, match="this is a manifest"):
        manifests.load(path.with_suffix(".tflite.json"))
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(InputError, match="22 bytes"):
        manifests.load(path)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    with pytest.raises(InputError, match="SHA-256"):
        manifests.load(path)
    path.with_suffix(".tflite.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        manifests.load(path)
    path.with_suffix(".tflite.json").write_text("[]")
    with pytest.raises(InputError, match="wanted an object"):
        manifests.load(path)
    path.with_suffix(".tflite.json").unlink()
    with pytest.raises(InputError, match="is not beside it"):
        manifests.load(path)
