"""ONNX: the float file equals Keras, the 8-bit one is what TensorRT wants, the 16-bit one is typed."""

import gc
import subprocess
import sys
import weakref
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from deploy_size import SIZE
from onnx_graphs import QUANTISED_CONV, graph, pair
from seeded import images

from cen_keras.errors import InputError
from deploy.artifacts import export
from deploy.calibration import CalibrationChoice
from deploy.freeze import freeze
from deploy.lint import counts, lint
from deploy.onnx import graph as onnx_graph
from deploy.onnx import pipeline, writer
from deploy.onnx.passes.pool_padding import fold_padding
from deploy.onnx.quantizer import Reader
from deploy.run_folder import open_run
from deploy.runtime import manifest as manifests
from deploy.target import Wanted, Work, run_passes
from deploy.verify import verify_artifact

OUTPUTS = ("rgb", "depth", "ensemble")


@pytest.fixture(scope="module")
def frozen(run_path):
    return freeze(open_run(run_path).model(), image_shape=SIZE)


@pytest.fixture(scope="module")
def samples(frozen):
    return images(frozen, SIZE, batch=2)


@pytest.fixture(scope="module")
def fp32(frozen):
    return writer.write(frozen, SIZE)


@pytest.fixture(scope="module")
def qdq(fp32, samples):
    return static_w8a8(fp32, samples)


def static_w8a8(content, samples):
    return pipeline.make(content, Wanted("static_w8a8", samples))[0]


def fp16(content):
    return pipeline.make(content, Wanted("fp16"))[0]


def placed(model):
    """Pairs as the passes behind the quantiser put them."""
    work = Work(model, Wanted("static_w8a8"))
    run_passes(pipeline.PASSES[2:], work)
    return work.model


def run(content, fed, optimise=True):
    """Runs a file in ONNX Runtime on channels-last arrays; gives logits by output name."""
    options = onnxruntime.SessionOptions()
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    fed = {name: array.transpose(0, 3, 1, 2) for name, array in fed.items()}
    values = session.run(names, fed)
    return {
        name.removesuffix("_logits"): value.transpose(0, 2, 3, 1)
        for name, value in zip(names, values, strict=True)
    }


def sqnr(wanted, found):
    """Signal to noise in decibels."""
    wanted = np.asarray(wanted, np.float64)
    return 10 * np.log10((wanted**2).sum() / ((found - wanted) ** 2).sum())


def one(samples, index=0):
    return {name: array[index : index + 1] for name, array in samples.items()}


def test_float_file_equals_keras(frozen, fp32, samples):
    wanted, found = frozen(one(samples)), run(fp32, one(samples))
    assert tuple(found) == OUTPUTS
    for name in OUTPUTS:
        scale = np.abs(wanted[name]).max()
        # The same float32 weights in both; some 40 layers of sums in another order, each within a
        # few roundings of 6e-8: 1e-5 as for freezing.
        assert np.abs(found[name] - wanted[name]).max() < 1e-5 * scale


def test_float_file_is_static_channels_first_and_plain(frozen, fp32):
    model = onnx.load_model_from_string(fp32)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 17)]
    tensors = onnx_graph.read_tensors(fp32)
    assert {n: (t.shape, t.layout, t.tensor) for n, t in tensors.inputs.items()} == {
        "rgb": ((1, 3, *SIZE), "NCHW", ""),
        "depth": ((1, 1, *SIZE), "NCHW", ""),
    }
    assert {n: (t.shape, t.tensor) for n, t in tensors.outputs.items()} == {
        name: ((1, 13, SIZE[0] // 4, SIZE[1] // 4), name + "_logits") for name in OUTPUTS
    }
    kinds = Counter(node.op_type for node in model.graph.node)
    # Not a Transpose or Reshape anywhere; padding went into the pooling. Mul: the ensemble.
    assert set(kinds) == {"Conv", "Relu", "Add", "Concat", "MaxPool", "Resize", "Mul"}
    assert kinds["Conv"] == sum(isinstance(x, keras.layers.Conv2D) for x in frozen.layers)
    layers = {layer.name for layer in frozen.layers}
    convolutions = {node.name for node in model.graph.node if node.op_type == "Conv"}
    assert convolutions <= layers


@pytest.mark.parametrize("profile", ["jp5", "jp6.0", "jp6", "jp7"])
def test_linter_finds_nothing_in_any_scheme(fp32, qdq, profile):
    for content in (fp32, qdq, fp16(fp32)):
        found = lint(onnx.load_model_from_string(content), profile)
        assert not [f for f in found if f.severity != "I"]


def test_linter_refuses_the_default_quantisation(fp32, samples, tmp_path):
    from onnxruntime.quantization import quantize_static

    quantize_static(onnx.load_model_from_string(fp32), tmp_path / "q.onnx", Reader(samples))
    model = onnx.load(tmp_path / "q.onnx")
    for profile in ("jp5", "jp6", "jp7"):
        found = lint(model, profile)
        assert counts(found)["errors"] > 0
        assert {"Q3", "Q7"} <= {f.rule for f in found if f.severity == "E"}


def test_eight_bits_keep_the_logits(frozen, qdq, samples):
    wanted, found = frozen(one(samples)), run(qdq, one(samples))
    for name in OUTPUTS:
        # One rounding to a step of max/127 leaves 12 * 127^2 / crest^2: 35 dB where the largest
        # value is 8 times the rms. Some 30 roundings lie on the longest way to an output, and
        # their noise adds: 35 - 15 = 20 dB; 3 dB for weights.
        assert sqnr(wanted[name], found[name]) > 17


def test_eight_bits_mean_the_same_with_and_without_fused_kernels(qdq, samples):
    fused, plain = run(qdq, one(samples)), run(qdq, one(samples), optimise=False)
    for name in OUTPUTS:
        # ONNX Runtime's integer kernels and float arithmetic on the same codes differ where a value
        # lies on the border of two codes: a step here and there, not in all of them.
        assert sqnr(plain[name], fused[name]) > 30


def test_pairs_stand_where_tensorrt_wants_them(qdq):
    model = onnx.load_model_from_string(qdq)
    made = {name: node for node in model.graph.node for name in node.output}
    values = onnx_graph.constants(model)

    def kind(name):
        return made[name].op_type if name in made else ""

    def scale(name):
        return float(values[made[name].input[1]])

    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert not values[node.input[2]].any()
            assert values[node.input[2]].dtype == np.int8
        if node.op_type == "Conv":
            assert kind(node.input[0]) == kind(node.input[1]) == "DequantizeLinear"
            assert values[made[node.input[1]].input[1]].size == len(values[made[made[
                node.input[1]].input[0]].input[0]])  # fmt: skip
            assert len(node.input) < 3 or values[node.input[2]].dtype == np.float32
        if node.op_type == "Relu":
            assert kind(node.input[0]) in ("Conv", "Add")
        if node.op_type == "Concat":
            behind = [n for n in model.graph.node if node.output[0] in n.input]
            (after,) = {n.input[1] for n in behind if n.op_type == "QuantizeLinear"}
            assert {scale(name) for name in node.input} == {float(values[after])}
        if node.op_type == "Add" and "ensemble" not in node.name:
            assert sorted(kind(n) for n in node.input) == ["Conv", "DequantizeLinear"]
    assert {kind(o.name) for o in model.graph.output} == {"Conv", "Add"}


def test_the_range_of_an_input_is_that_of_its_own_samples(fp32, samples):
    far = {"depth": 5 * samples["depth"], "rgb": samples["rgb"]}
    for fed in (far, dict(reversed(far.items()))):
        model = onnx.load_model_from_string(static_w8a8(fp32, fed))
        values = onnx_graph.constants(model)
        scales = {
            node.input[0]: float(values[node.input[1]])
            for node in model.graph.node
            if node.op_type == "QuantizeLinear" and node.input[0] in far
        }
        for name, array in far.items():
            # The scale is one float32 division.
            assert scales[name] == pytest.approx(np.abs(array).max() / 127, rel=1e-6)


def test_samples_of_other_names_or_sizes_are_refused(fp32, samples):
    with pytest.raises(InputError, match="thermal"):
        static_w8a8(fp32, {"rgb": samples["rgb"], "thermal": samples["depth"]})
    with pytest.raises(
        InputError, match=rf"are .{SIZE[0]}, {SIZE[1]}, 3., the input is .{SIZE[0]}, {SIZE[1]}, 1."
    ):
        static_w8a8(fp32, {"rgb": samples["depth"], "depth": samples["rgb"]})


def test_exported_artifact_runs_and_verifies(run_path, tmp_path):
    run = open_run(run_path)
    path = export(
        run, "onnx", "static_w8a8", folder=tmp_path, calibration=CalibrationChoice(count=8)
    )
    manifest = manifests.load(path)
    assert path.name == "static_w8a8.onnx" and manifest.calibration["count"] == 8
    assert list(manifest.inputs) == ["rgb", "depth"] and tuple(manifest.outputs) == OUTPUTS
    assert {spec.layout for spec in manifest.inputs.values()} == {"NCHW"}
    assert {spec.dtype for spec in manifest.inputs.values()} == {"float32"}
    result = verify_artifact(path, run, count=4)
    for name in OUTPUTS:
        assert result["outputs"][name]["sqnr_db"] > 17  # as above


def test_sixteen_bits_are_typed_but_for_inputs_and_outputs(frozen, fp32, samples):
    content = fp16(fp32)
    model = onnx.load_model_from_string(content)
    float32 = onnx.TensorProto.FLOAT
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == float32
    resizes = [node for node in model.graph.node if node.op_type == "Resize"]
    whole = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.INT64}
    assert resizes and {node.input[3] for node in resizes} <= whole
    assert not [t.name for t in model.graph.initializer if t.data_type == float32]
    weights = sum(
        v.nbytes for v in onnx_graph.constants(onnx.load_model_from_string(fp32)).values()
    )
    # Half of the weights' bytes go, the graph around them stays and gets casts at its ends.
    assert len(fp32) - len(content) > 0.45 * weights
    wanted, found = frozen(one(samples)), run(content, one(samples))
    for name in OUTPUTS:
        # A float16 rounding errs by up to 2^-11 of a value, 71 dB for uniform errors; weights and
        # activations of 30 layers on the longest way: 60 roundings, 18 dB.
        assert sqnr(wanted[name], found[name]) > 71 - 18


def test_sixteen_bits_refuse_what_they_cannot_hold():
    model = graph("y = Add(x, n)", n=np.float32(1e6).reshape(1))
    with pytest.raises(InputError, match="n holds 1e"):
        fp16(model.SerializeToString())


def test_of_two_convolutions_in_an_addition_the_deeper_one_stays_float():
    model = graph(
        f"{QUANTISED_CONV} r = Relu(c) {pair('r')} e = Conv(rd, wd)  {pair('e')} {pair('c')}"
        " a = Add(ed, cd) y = Relu(a)"
    )
    model = placed(model)
    (add,) = [node for node in model.graph.node if node.op_type == "Add"]
    assert list(add.input) == ["e", "cd"]


def test_activations_and_logits_read_floats_again():
    model = graph(f"{QUANTISED_CONV} {pair('c')} r = Relu(cd) {pair('r')} y = Mul(rd, ones4)",
                  ones4=np.ones((1, 16, 1, 1), "float32"))  # fmt: skip
    model = placed(model)
    assert [n.op_type for n in model.graph.node if n.op_type.endswith("Linear")].count(
        "QuantizeLinear"
    ) == 2
    assert [list(n.input)[0] for n in model.graph.node if n.op_type in ("Relu", "Mul")] == [
        "c",
        "r",
    ]


def test_a_chain_of_concatenations_has_one_scale_the_largest():
    model = graph(
        f"{QUANTISED_CONV} r = Relu(c) t = Tanh(c) g = Concat<axis = 1>(r, t) {pair('g', 's2')}"
        " h = Concat<axis = 1>(t, t, r) "
        f"{pair('h', 'n')} p = MaxPool<kernel_shape = [1,1]>(hd) {pair('p')}"
        f"{pair('k')} {pair('k2')} u = Conv(gd, kd) v = Conv(pd, k2d) y = Add(u, v)",
        k=np.ones((16, 32, 1, 1), "float32"),
        k2=np.ones((16, 48, 1, 1), "float32"),
        n=np.float32(0.3),
    )
    model = placed(model)
    values = onnx_graph.constants(model)
    scales = {
        node.input[0]: float(values[node.input[1]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in values
    }
    wanted = dict.fromkeys("grthp", np.float32(0.3)) | {"x": np.float32(0.1)}
    assert scales == wanted


@pytest.mark.parametrize("fill", [0, 1])
def test_only_zero_padding_after_a_relu_goes_into_the_pooling(fill):
    model = graph(
        "r = Relu(x) p = Pad(r, n, f) y = MaxPool<kernel_shape = [3,3], strides = [1,1]>(p)",
        outputs="float[1,16,8,8] y",
        n=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        f=np.float32(fill),
    )
    before = model.SerializeToString()
    fold_padding(model)
    model = onnx_graph.tidy(model)
    x = {"x": np.random.default_rng(0).normal(size=(1, 8, 8, 16)).astype("float32")}
    np.testing.assert_array_equal(run(before, x)["y"], run(model.SerializeToString(), x)["y"])
    assert ("Pad" in {node.op_type for node in model.graph.node}) == bool(fill)


@pytest.mark.slow
def test_polygraphy_finds_nothing(fp32, qdq, tmp_path):
    pytest.importorskip("onnx_graphsurgeon")
    tool = Path(sys.executable).with_name("polygraphy")
    for name, content in (("fp32", fp32), ("qdq", qdq)):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        done = subprocess.run(
            [tool, "check", "lint", path], capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stdout + done.stderr


class Copy:
    """A copy of a graph as tf2onnx makes them: parts that refer to each other."""

    def __init__(self):
        self.parts = [{"graph": self} for _ in range(3000)]


def test_copies_that_nobody_reads_do_not_pile_up():
    thresholds = gc.get_threshold()
    alive, most = [], 0
    with writer.copies_collected():
        for _ in range(40):
            alive.append(weakref.ref(Copy()))
            most = max(most, sum(copy() is not None for copy in alive))
    # A copy's 6000 objects are nine young collections, and every fifteenth looks at all objects: a
    # few copies wait for one, and for a quarter as many objects to be new as there are.
    assert most <= 10
    assert gc.get_threshold() == thresholds and gc.get_freeze_count() == 0
