"""Convolutions with few channels in a group stay float; between pairs floats may be typed float16."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_graphs import graph

from cen_keras.errors import InputError
from deploy.lint import lint
from deploy.onnx import pipeline
from deploy.target import Wanted

RNG = np.random.default_rng(0)
SAMPLES = {"x": RNG.normal(size=(4, 8, 8, 16)).astype("float32")}


def network(group=16):
    """A convolution, a grouped one and again a convolution; the first result is read twice."""
    return graph(
        f"c = Conv(x, w, b) r = Relu(c) d = Conv<group = {group}, pads = [1,1,1,1]>(r, k)"
        " e = Relu(d) f = Conv(r, v) t = Add(f, e) y_logits = Conv(t, w)",
        outputs="float[1,16,8,8] y_logits",
        k=RNG.normal(size=(16, 16 // group, 3, 3)).astype("float32"),
        v=RNG.normal(size=(16, 16, 1, 1)).astype("float32"),
    )


def made(scheme, model):
    content, _ = pipeline.make(model.SerializeToString(), Wanted(scheme, SAMPLES))
    return onnx.load_model_from_string(content)


def quantised_convolutions(model):
    """Whether activation and weights are dequantised, by group count."""
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    found = []
    for node in model.graph.node:
        if node.op_type == "Conv":
            group = next((a.i for a in node.attribute if a.name == "group"), 1)
            sides = [makers.get(name) == "DequantizeLinear" for name in node.input[:2]]
            found.append((group, *sides))
    return found


def run(model):
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": SAMPLES["x"][:1].transpose(0, 3, 1, 2)})[0]


def test_a_depthwise_convolution_stays_float_where_its_neighbours_do_not():
    model = made("static_w8a8", network())
    assert sorted(quantised_convolutions(model)) == [(1, True, True)] * 3 + [(16, False, False)]
    assert not [f for f in lint(model, "jp6") if f.severity != "I"]


def test_groups_of_four_channels_are_quantised():
    found = quantised_convolutions(made("static_w8a8", network(group=4)))
    assert sorted(found) == [(1, True, True)] * 3 + [(4, True, True)]


def test_floats_between_pairs_are_typed():
    model = made("static_w8a8_fp16", network())
    onnx.checker.check_model(model, full_check=True)
    assert [o.version for o in model.opset_import if not o.domain] == [19]
    types = {t.name: t.data_type for t in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert types[node.input[1]] == onnx.TensorProto.FLOAT16
            assert types[node.input[2]] == onnx.TensorProto.INT8
    assert onnx.TensorProto.FLOAT not in types.values()
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert not [f for f in lint(model, "jp6") if f.severity != "I"]
    assert "E" in {f.severity for f in lint(model, "jp5")}, (
        "8.5 reads neither the opset nor the types"
    )


def test_typing_costs_little_beside_8_bits():
    wanted = run(network())
    eight, typed = (run(made(s, network())) for s in ("static_w8a8", "static_w8a8_fp16"))
    error = [float(((x - wanted) ** 2).mean()) for x in (eight, typed)]
    # Float16 rounds to 2**-11, a code of 8 bits to 2**-8: noise of a sixty-fourth, and a code may fall to
    # the other side of a border for it.
    assert error[1] <= 1.5 * error[0]


def test_a_range_too_small_for_float16_is_refused():
    small = {"x": SAMPLES["x"] * np.float32(1e-7)}
    with pytest.raises(InputError, match="float16 has 11 bits from .* use static_w8a8"):
        pipeline.make(network().SerializeToString(), Wanted("static_w8a8_fp16", small))
