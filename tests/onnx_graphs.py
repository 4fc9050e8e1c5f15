"""Tiny ONNX graphs for tests, written in ONNX's own text form; constants are added by name."""

import re

import numpy as np
import onnx
from onnx import numpy_helper, parser

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


def saved(model, path):
    """Writes a model and gives its path."""
    onnx.save(model, path)
    return path
