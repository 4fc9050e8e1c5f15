"""Values on the host: there when a tensor has them, absent while any backend traces."""

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.metrics.features import FrechetInceptionDistance
from cen_keras.metrics.host_values import host_value

VALUES = np.arange(6).reshape(2, 3)


def traced(seen, dtype):
    """Calls `seen` with a tensor without values, as the backend has them in a compiled step."""

    def step(x):
        seen(x)
        return x

    x = keras.ops.convert_to_tensor(VALUES, dtype)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.function(step)(x)
    elif keras.backend.backend() == "jax":
        import jax

        jax.jit(step)(x)
    else:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode(allow_non_fake_inputs=False) as mode:
            step(mode.from_tensor(x))


def spied(seen, dtype):
    """Calls `seen` with what Keras has when it asks for the shapes of a step's outputs."""

    def step(x):
        seen(x)
        return x

    keras.src.backend.compute_output_spec(step, keras.KerasTensor(VALUES.shape, dtype))


@pytest.mark.parametrize("dtype", ["int32", "float32", "bfloat16"])
def test_a_tensor_with_values_gives_them(dtype):
    for tensor in (
        keras.ops.convert_to_tensor(VALUES, dtype),
        keras.Variable(VALUES, dtype=dtype, trainable=False),
    ):
        np.testing.assert_array_equal(np.asarray(host_value(tensor), "float64"), VALUES)


def test_arrays_and_lists_are_values():
    for plain in (VALUES, VALUES.tolist()):
        np.testing.assert_array_equal(host_value(plain), VALUES)


@pytest.mark.parametrize("dtype", ["int32", "float32", "bfloat16"])
@pytest.mark.parametrize("run", [traced, spied])
def test_a_tensor_without_values_gives_none(run, dtype):
    found = []
    run(lambda x: found.append(host_value(x)), dtype)
    assert found == [None]


def test_a_symbolic_tensor_has_no_values():
    assert host_value(keras.KerasTensor((2, 3))) is None


def test_data_that_are_no_array_are_an_error():
    with pytest.raises(ValueError, match="inhomogeneous"):
        host_value([[1], [2, 3]])


@pytest.mark.parametrize("run", [traced, spied])
def test_a_distance_in_a_compiled_step_is_refused(run):
    metric = FrechetInceptionDistance(lambda images: images)
    errors = []

    def step(x):
        with pytest.raises(InputError, match=r"not in `compile") as caught:
            metric.update_state(x, x)
        errors.append(caught)

    run(step, "float32")
    assert len(errors) == 1 and metric.real == []
