"""Tiny ONNX graphs for tests, written in ONNX's own text form; constants are added by name."""

import re

import numpy as np
from onnx import numpy_helper, parser

from deploy.runtime import manifest as manifests
from deploy.runtime.manifest import Manifest
from deploy.runtime.tensors import Normalization, TensorSpec

_RNG = np.random.default_rng(0)
_WEIGHT = _RNG.normal(size=(16, 16, 1, 1)).astype("float32")
CONSTANTS = {
    "w": _WEIGHT,
    "b": np.zeros(16, "float32"),
    "ones": np.ones(16, "float32"),
    "s": np.float32(0.1),
    "s2": np.float32(0.2),
    "z": np.int8(0),
    "ws": np.abs(_WEIGHT).reshape(16, -1).max(1) / 127,
    "wz": np.zeros(16, "int8"),
}

# A quantised convolution of `xd`, which is `x` behind a pair, to `c`.
QUANTISED_X = "xq = QuantizeLinear(x, s, z)  xd = DequantizeLinear(xq, s, z)"
QUANTISED_W = (
    "wq = QuantizeLinear<axis = 0>(w, ws, wz)  wd = DequantizeLinear<axis = 0>(wq, ws, wz)"
)
QUANTISED_CONV = f"{QUANTISED_X} {QUANTISED_W} c = Conv(xd, wd, b)"


def pair(name, scale="s"):
    """A pair on `name`; the result is called name + "d"."""
    return (
        f"{name}q = QuantizeLinear({name}, {scale}, z)"
        f"  {name}d = DequantizeLinear({name}q, {scale}, z)"
    )


def graph(
    body,
    inputs="float[1,16,8,8] x",
    outputs="float[1,16,8,8] y",
    opset=17,
    domains="",
    **constants,
):
    """A model of the nodes in `body`; constants that it names are added."""
    text = (
        f'<ir_version: 8, opset_import: ["": {opset}{domains}]>'
        f" g ({inputs}) => ({outputs}) {{ {body} }}"
    )
    model = parser.parse_model(text)
    words = set(re.findall(r"\w+", body))
    for name, value in {**CONSTANTS, **constants}.items():
        if name in words:
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    return model


def write_artifact(path, scheme):
    """A tiny network of two inputs and two outputs with its manifest; gives its path."""
    model = graph(
        "c = Concat<axis = 1>(rgb, depth) rgb_logits = Conv(c, k) depth_logits = Conv(depth, k1)",
        "float[1,3,4,6] rgb, float[1,1,4,6] depth",
        "float[1,2,4,6] rgb_logits, float[1,2,4,6] depth_logits",
        k1=np.float32([1, -2]).reshape(2, 1, 1, 1),
        k=np.random.default_rng(1).normal(size=(2, 4, 1, 1)).astype("float32"),
    )
    inputs = {
        name: TensorSpec(
            name,
            (1, channels, 4, 6),
            "NCHW",
            "float32",
            content,
            normalization=Normalization(1.0, (0.0,) * channels, (1.0,) * channels),
        )
        for name, channels, content in (("rgb", 3, "image"), ("depth", 1, "depth"))
    }
    outputs = {
        name: TensorSpec(name, (1, 2, 4, 6), "NCHW", "float32", "logits", tensor=f"{name}_logits")
        for name in ("rgb", "depth")
    }
    manifest = Manifest(
        "segmentation", "onnx", scheme, inputs, outputs, ("a", "b"), ((0, 0, 0), (9, 9, 9))
    )
    manifests.save(manifest, path, model.SerializeToString())
    return path


def frame():
    """Inputs for `write_artifact`'s network, by name and channels last."""
    rng = np.random.default_rng(0)
    return {
        "depth": rng.normal(size=(1, 4, 6, 1)).astype("float32"),
        "rgb": rng.normal(size=(1, 4, 6, 3)).astype("float32"),
    }
