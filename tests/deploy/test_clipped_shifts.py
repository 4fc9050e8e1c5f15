"""A channel whose shift does not fit 32-bit codes keeps its value."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from deploy.export.tflite_graph import read_tensors
from deploy.export.to_tflite import write
from deploy.export.xnnpack import left_out
from deploy.quantize.litert import int16x8, static_w8a8

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def two_convolutions(small, kind="Conv2D"):
    """Two convolutions; a channel of the second has kernels `small` times the others' and shift 0.5."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="rgb")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
    arguments = {"kernel_size": 3, "padding": "same", "name": "second"}
    if kind != "DepthwiseConv2D":
        arguments["filters"] = 4
    second = getattr(keras.layers, kind)(**arguments)
    model = keras.Model({"rgb": image}, {"ensemble": second(x)})
    kernel, shift = second.get_weights()
    channels = np.moveaxis(kernel, 3 if kind == "Conv2D" else 2, 0)  # a view
    channels[1] *= small
    second.set_weights([kernel, shift + 0.5])
    return write(model, (8, 8))


def run(content):
    interpreter = Interpreter(model_content=content)
    return interpreter.get_signature_runner()(rgb=X[:1])["ensemble"]


def dtypes(content):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    return [details["dtype"] for details in interpreter.get_tensor_details()]


def test_a_small_kernel_does_not_cost_a_channel_its_shift():
    content = two_convolutions(small=1e-7)
    found = run(int16x8(content, {"rgb": X}, integer_io=False))
    # The channel is its shift of 0.5; 16-bit codes of outputs below 4 are 1e-4 apart, 8-bit kernels
    # of a few tenths err by 1e-3 in each of 36 products of size 1, at random: 0.006, thrice that.
    assert np.abs(found - run(content)).max() < 0.02


def test_layers_that_fit_are_quantised():
    made = int16x8(two_convolutions(small=1.0), {"rgb": X}, integer_io=False)
    assert dtypes(made).count(np.int8) == 2
    clipped = int16x8(two_convolutions(small=1e-7), {"rgb": X}, integer_io=False)
    assert dtypes(clipped).count(np.int8) == 1


@pytest.mark.parametrize("scheme", [static_w8a8, int16x8])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D", "Conv2DTranspose"])
def test_a_clipped_channel_is_its_shift(scheme, kind):
    content = two_convolutions(1e-9, kind)
    found = run(scheme(content, {"rgb": X}, integer_io=False))
    # Of the channel's own float32 products nothing is left beside a shift of 0.5 (1e-9 of it).
    assert np.abs(found - run(content))[..., 1].max() < 1e-6


def test_eight_bits_leave_what_fits_and_the_fast_kernels_alone():
    ordinary = static_w8a8(two_convolutions(1.0), {"rgb": X})
    assert dtypes(ordinary).count(np.float32) == 0
    clipped = static_w8a8(two_convolutions(1e-9), {"rgb": X})
    assert left_out(clipped) == []
    # The last layer is the one that stays in float, and its output with it.
    tensors = read_tensors(clipped)
    assert tensors.inputs["rgb"].dtype == "int8"
    assert tensors.outputs["ensemble"].dtype == "float32"
