"""Every LiteRT scheme: loads, runs on the fast kernels, and is as close to float as its numbers allow."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from tflite_files import exported

from cen_keras.errors import InputError
from deploy import calibration
from deploy.artifacts import apply_scheme
from deploy.run_folder import open_run
from deploy.runtime import manifest as manifests
from deploy.runtime.runner import open_runner
from deploy.targets import TARGETS
from deploy.tflite.graph import layer_name, read_operators
from deploy.tflite.writer import write
from deploy.tflite.xnnpack import check_fast, left_out

TFLITE = TARGETS["tflite"]
LAYER = "decoder_p4_adapt_rgb"


@pytest.fixture(scope="module")
def samples(run_path, artifacts):
    manifest = manifests.load(artifacts["fp32"])
    return calibration.collect(open_run(run_path).views("train"), manifest.inputs, 4)


@pytest.fixture(scope="module")
def make(artifacts, samples, tmp_path_factory):
    """Applies a scheme to the float artifact and opens the result; each combination once."""
    folder, made = tmp_path_factory.mktemp("schemes"), {}

    def build(scheme, **options):
        key = (scheme, *options.items())
        if key not in made:
            content = artifacts["fp32"].read_bytes()
            manifest = dataclasses.replace(manifests.load(artifacts["fp32"]), run=None)
            needed = samples if scheme.startswith(("static", "int16")) else None
            content, manifest = apply_scheme(content, manifest, TFLITE, scheme, needed, **options)
            path = folder / f"{len(made)}.tflite"
            manifests.save(manifest, path, content)
            made[key] = open_runner(path)
        return made[key]

    return build


@pytest.fixture(scope="module")
def wanted(artifacts, samples):
    """What the float artifact says to the first sample."""
    feeds = {name: array[:1] for name, array in samples.arrays.items()}
    return feeds, open_runner(artifacts["fp32"]).run(feeds)


def noise(runner, wanted):
    """The largest share of noise power in an output."""
    feeds, logits = wanted
    found = runner.run(feeds)
    return max(((found[n] - v) ** 2).sum() / (v**2).sum() for n, v in logits.items())


# Relative noise power of a rounding to b significant bits is 2^(-2b)/3 at most. fp16 keeps 11 bits;
# 8-bit weights with a scale per channel keep about 5.5 (the mean weight is a sixth of the largest).
# The network has about 20 layers one after the other, whose noises add up.
LAYERS = 20
LIMITS = {
    "fp16": LAYERS * 2**-22 / 3,
    "dynamic_w8": LAYERS * 2**-11 / 3,
    "int16x8": LAYERS * 2**-11 / 3,
    "static_w8a8_float_head": 2 * LAYERS * 2**-11 / 3,
    "static_w8a8": 2 * LAYERS * 2**-11 / 3,
}


@pytest.mark.parametrize("scheme", LIMITS)
def test_noise_is_what_the_bits_allow(make, wanted, scheme):
    found = noise(make(scheme), wanted)
    # Above zero too: a scheme that rounds nothing has not been applied.
    assert 0 < found < LIMITS[scheme]


def test_16_bit_activations_add_less_noise_than_8_bit_ones(make, wanted):
    assert noise(make("int16x8"), wanted) < 0.5 * noise(make("static_w8a8"), wanted)


@pytest.mark.parametrize(
    ("scheme", "inputs", "outputs"),
    [
        ("fp16", "float32", "float32"),
        ("dynamic_w8", "float32", "float32"),
        ("static_w8a8", "int8", "int8"),
        ("static_w8a8_float_head", "int8", "float32"),
        ("int16x8", "int16", "int16"),
    ],
)
def test_types_of_inputs_and_outputs(make, scheme, inputs, outputs):
    runner = make(scheme)
    assert runner.manifest.scheme == scheme
    assert {spec.dtype for spec in runner.inputs.values()} == {inputs}
    assert {spec.dtype for spec in runner.outputs.values()} == {outputs}


def test_float_io_of_every_static_scheme(make, wanted):
    for scheme in ("static_w8a8", "static_w8a8_float_head", "int16x8"):
        runner = make(scheme, integer_io=False)
        assert {s.dtype for s in (*runner.inputs.values(), *runner.outputs.values())} == {"float32"}
        assert noise(runner, wanted) < LIMITS[scheme]


@pytest.mark.parametrize("largest", [65504.0, 1e5])
def test_sixteen_bits_refuse_what_they_cannot_hold(largest):
    image = keras.Input((8, 8, 3), name="rgb")
    convolution = keras.layers.Conv2D(2, 1, name="large")
    model = keras.Model({"rgb": image}, {"ensemble": convolution(image)})
    kernel, bias = convolution.get_weights()
    kernel[0, 0, 0, 0] = largest
    convolution.set_weights([kernel, bias])
    content = write(model, (8, 8))
    if largest > 65504:  # where float16 ends
        with pytest.raises(InputError, match="large.* holds weights beyond 65504.*use fp32"):
            exported(content, scheme="fp16")
    else:
        exported(content, scheme="fp16")


def test_fp16_and_dynamic_are_a_half_and_a_quarter(make, artifacts):
    whole = artifacts["fp32"].stat().st_size
    weights = 4 * sum(b.size for b in constants(artifacts["fp32"].read_bytes()))
    saved = {n: whole - make(n).path.stat().st_size for n in ("fp16", "dynamic_w8")}
    # All but the biases (a few per cent of these thin layers' weights); against that stand the
    # scales of dynamic_w8 and 44 dequantising operators of fp16, some 100 to 200 bytes each.
    assert 0.35 * weights < saved["fp16"] < 0.5 * weights
    assert 0.5 * weights < saved["dynamic_w8"] < 0.75 * weights


def constants(content):
    """The float32 weights in a file, each once."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    buffers = {
        tensor.buffer
        for tensor in model.subgraphs[0].tensors
        if tensor.type == schema.TensorType.FLOAT32
        and model.buffers[tensor.buffer].data is not None
    }
    return [np.asarray(model.buffers[b].data, np.uint8).view(np.float32) for b in sorted(buffers)]


def kernel_types(runner):
    """The type of the weights of every convolution, by layer."""
    from ai_edge_litert import schema_py_generated as schema

    content = runner.path.read_bytes()
    tensors = schema.ModelT.InitFromPackedBuf(bytearray(content), 0).subgraphs[0].tensors
    return {
        layer_name(op): tensors[op.inputs[1]].type == schema.TensorType.FLOAT32
        for op in read_operators(content)
        if op.kind == "CONV_2D"
    }


def test_the_float_head_is_the_last_convolution_of_each_stream(make):
    in_float = kernel_types(make("static_w8a8_float_head"))
    assert {name for name, is_float in in_float.items() if is_float} == {
        "output_rgb",
        "output_depth",
    }
    assert not any(kernel_types(make("static_w8a8")).values())


def test_float_layers(make, wanted):
    runner = make("static_w8a8", float_layers=(LAYER,))
    assert {name for name, is_float in kernel_types(runner).items() if is_float} == {LAYER}
    assert LAYER in runner.manifest.note
    assert noise(runner, wanted) < LIMITS["static_w8a8"]
    with pytest.raises(InputError, match=r"'decoder_p4_adapt' is not .* decoder_p4_adapt_"):
        make("static_w8a8", float_layers=("decoder_p4_adapt",))
    with pytest.raises(InputError, match="for the quantised schemes"):
        make("fp32", float_layers=(LAYER,))


def test_frozen_files_stay_on_the_fast_kernels(make):
    for scheme in ("fp16", "dynamic_w8", "static_w8a8", "static_w8a8_float_head"):
        assert left_out(make(scheme).path.read_bytes()) == []
    # Nothing in 16 bits has a fast kernel.
    slow = {op.kind for op in left_out(make("int16x8").path.read_bytes())}
    assert {"CONV_2D", "ADD"} <= slow


def test_operators_without_a_fast_kernel_are_named_with_their_layer(as_trained, samples):
    """The export as trained: its `where` is what freezing removes."""
    # What its note says is for people: it has no statistics of a freezing.
    manifest = dataclasses.replace(manifests.load(as_trained), note="")
    content, _ = apply_scheme(as_trained.read_bytes(), manifest, TFLITE, "static_w8a8", samples)
    kinds = [op.kind for op in read_operators(content)]
    # It is what the tools make of it: its bare ReLUs, behind `where`, stay as they are.
    given = [op.kind for op in read_operators(as_trained.read_bytes())]
    assert kinds.count("RELU") == given.count("RELU") > 0
    slow = [op.kind for op in left_out(content)]
    # Every `where` and nothing that the frozen network is made of.
    assert slow.count("SELECT_V2") == kinds.count("SELECT_V2") > 0
    assert "CONV_2D" not in slow
    with pytest.raises(InputError, match=r"SELECT_V2 in stack1_block1_norm"):
        check_fast(content)


def test_files_are_looked_into_without_the_engines_notes(artifacts):
    """In a process of its own, since the engine says once for all that it is there."""
    look = "import sys; from deploy.tflite import graph; graph.read_tensors(open(sys.argv[1], 'rb').read())"
    command = [sys.executable, "-c", look, str(artifacts["int8"])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
