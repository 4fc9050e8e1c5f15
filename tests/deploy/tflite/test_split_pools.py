"""split_pools: large max-pools in two, the same numbers to the last bit."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from tflite_files import passed, plain, quantised

from deploy.tflite.graph import read_operators
from deploy.tflite.passes.split_pools import split_pools
from deploy.tflite.writer import write

X = np.random.default_rng(0).normal(size=(4, 9, 12, 3)).astype(np.float32)


def pooled(window, strides=1, padding="same"):
    image = keras.Input(X.shape[1:], name="rgb")
    x = keras.layers.Conv2D(4, 1, name="conv")(image)
    x = keras.layers.MaxPooling2D(window, strides, padding, name="pool")(x)
    return write(keras.Model({"rgb": image}, {"ensemble": x}), X.shape[1:3])


def run(content, x):
    return Interpreter(model_content=content).get_signature_runner()(rgb=x)["ensemble"]


def pools(content):
    return sum(operator.kind == "MAX_POOL_2D" for operator in read_operators(content))


@pytest.mark.parametrize("window", [4, 5, (5, 7)])
def test_two_pools_give_what_one_gives(window):
    content = pooled(window)
    split = passed(split_pools, content)
    assert (pools(content), pools(split)) == (1, 2)
    np.testing.assert_array_equal(run(split, X[:1]), run(content, X[:1]))
    assert passed(split_pools, split) == split


def test_in_int8_too_whether_split_before_or_after():
    whole, codes = pooled(5), (X[:1] * 40).astype(np.int8)
    wanted = run(quantised(whole, {"rgb": X}), codes)
    after = passed(split_pools, quantised(whole, {"rgb": X}))
    before = quantised(passed(split_pools, whole), {"rgb": X})
    assert wanted.std() > 5
    np.testing.assert_array_equal(run(after, codes), wanted)
    np.testing.assert_array_equal(run(before, codes), wanted)


@pytest.mark.parametrize("options", [{"window": 3}, {"window": 5, "strides": 2}])
def test_small_and_striding_pools_stay_whole(options):
    content = pooled(**options)
    assert passed(split_pools, content) == plain(content)


def test_so_do_those_without_padding():
    content = pooled(5, padding="valid")
    assert passed(split_pools, content) == plain(content)
