"""pack_stems: the same codes to the last bit, and only where it saves time."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_files import passed, plain, quantised

from deploy.tflite.graph import read_operators
from deploy.tflite.passes.packed_stems import Packing, pack_stems
from deploy.tflite.writer import write
from deploy.tflite.xnnpack import left_out


def convolve(image, kernel, strides):
    """Plain loops over an (h, w, c) image, nothing around it."""
    filters, height, width, _ = kernel.shape
    rows = (image.shape[0] - height) // strides[0] + 1
    columns = (image.shape[1] - width) // strides[1] + 1
    result = np.zeros((rows, columns, filters), np.int64)
    for y in range(rows):
        for x in range(columns):
            top, left = y * strides[0], x * strides[1]
            window = image[top : top + height, left : left + width]
            result[y, x] = np.tensordot(kernel, window, 3)
    return result


@given(
    padding=st.integers(0, 3),
    stride=st.sampled_from((1, 2, 4)),
    times=st.integers(1, 4),
    channels=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_a_packed_kernel_gives_the_same_sums(padding, stride, times, channels):
    rng = np.random.default_rng(0)
    size, columns = 2 * padding + 1, stride * times
    image = rng.integers(-9, 9, (4 * stride, 3 * columns, channels))
    kernel = rng.integers(-9, 9, (5, size, size, channels))
    packing = Packing(columns, size, stride, padding)
    rows, width = image.shape[:2]
    packed = image.reshape(rows, width // columns, columns * channels)
    packed = np.pad(packed, packing.sides[1:])
    found = convolve(packed, packing.kernels(kernel), (stride, 1))
    around = ((padding, padding), (padding, padding), (0, 0))
    wanted = convolve(np.pad(image, around), kernel, (stride, stride))
    np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


def int8(channels, size=(16, 24), kernel=7, strides=2, pad=3, filters=16, reader=False, groups=1):
    """A quantised stem, and samples of its input."""
    keras.utils.set_random_seed(0)
    image = keras.Input((*size, channels), name="rgb")
    padded = keras.layers.ZeroPadding2D(pad)(image)
    x = keras.layers.Conv2D(filters, kernel, strides, groups=groups, bias_initializer="normal")(
        padded
    )
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.ReLU()(x))
    outputs = {"ensemble": x}
    if reader:
        outputs["padded"] = padded
    samples = np.random.default_rng(0).normal(size=(4, *size, channels)).astype(np.float32)
    content = write(keras.Model({"rgb": image}, outputs), size)
    return quantised(content, {"rgb": samples})


def run(content, codes):
    return Interpreter(model_content=content).get_signature_runner()(rgb=codes)["ensemble"]


def kinds(content):
    return [operator.kind for operator in read_operators(content)]


@pytest.mark.parametrize("channels, kernel", [(1, 7), (1, 5), (1, 3), (2, 7), (3, 7)])
@pytest.mark.parametrize("size", [(16, 24), (10, 12), (14, 20)])
def test_a_packed_stem_gives_the_same_codes(channels, kernel, size):
    content = int8(channels, size, kernel, pad=kernel // 2)
    packed = passed(pack_stems, content)
    assert kinds(packed)[:3] == ["RESHAPE", "PAD", "CONV_2D"]
    assert left_out(packed) == []
    codes = np.random.default_rng(1).integers(-128, 128, (1, *size, channels)).astype(np.int8)
    found = run(packed, codes)
    assert found.std() > 5  # codes that say something
    np.testing.assert_array_equal(found, run(content, codes))
    assert passed(pack_stems, packed) == packed


def test_depth_takes_half_the_time_and_colours_somewhat_less():
    # 49 taps of four or eight lanes, one or three of them busy, against 7 x 3 taps and 7 x 4.
    assert Packing(4, 7, 2, 3).cost(1) == [21 * (4 + 2), 21 * (8 + 2)]
    assert Packing(2, 7, 2, 3).cost(3) == [28 * (8 + 2), 28 * (8 + 2)]
    before = [49 * (4 + 2), 49 * (8 + 2)]
    assert np.all(np.divide(Packing(4, 7, 2, 3).cost(1), before) < 0.5)
    assert np.all(np.less(Packing(2, 7, 2, 3).cost(3), before))


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": 3, "pad": 1, "channels": 3},  # 3 x 2 taps of eight lanes for 3 x 3 of four
        {"kernel": 7, "pad": 3, "channels": 8},  # all lanes are busy
        {"kernel": 7, "pad": 2, "channels": 1},  # the result is not as wide as the image
        {"kernel": 7, "pad": 3, "channels": 1, "size": (16, 25)},  # columns left over
        {"kernel": 7, "pad": 3, "channels": 1, "reader": True},  # the padding is read elsewhere
        {"kernel": 7, "pad": 3, "channels": 2, "groups": 2},  # groups would be of columns
    ],
)
def test_what_does_not_gain_stays_as_it_is(options):
    content = int8(**options)
    assert "PAD" in kinds(content)
    assert passed(pack_stems, content) == plain(content)


def test_a_float_file_stays_as_it_is():
    image = keras.Input((16, 24, 3), name="rgb")
    x = keras.layers.Conv2D(8, 7, 2)(keras.layers.ZeroPadding2D(3)(image))
    content = write(keras.Model({"rgb": image}, {"ensemble": x}), (16, 24))
    assert passed(pack_stems, content) == plain(content)
