"""A constant above the library's limit gets the codes that one below it would get."""

import numpy as np
import pytest
from litert_quantizer import qtyping
from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor as library

from deploy.tflite.library import LARGE, large_constants


@pytest.fixture(scope="module")
def constant():
    generator = np.random.default_rng(0)
    values = generator.normal(size=(67, 3, 3, 2**14)).astype(np.float32)
    assert values.nbytes > LARGE
    return values


def parameters(values):
    scale = np.abs(values).max(axis=(1, 2, 3)) / 127
    return qtyping.UniformQuantParams(
        num_bits=8,
        quantized_dimension=0,
        scale=scale,
        zero_point=np.zeros(len(values), np.int64),
        symmetric=True,
    )


def test_codes_are_those_of_the_textbook(constant):
    quantization = parameters(constant)
    with large_constants():
        codes = library.uniform_quantize(constant, quantization)
    assert codes.dtype == np.int8
    wanted = np.rint(constant / quantization.scale[:, None, None, None])
    # Half a code away from a boundary, float32 division may round to either side.
    differing = codes != wanted
    assert (
        differing.mean() < 1e-4 and np.abs(codes[differing] - wanted[differing]).max(initial=0) <= 1
    )


def test_the_library_still_needs_it_and_gets_its_own_back(constant):
    """Fails when a version of the library can do it alone: then the work-around goes."""
    before = library.uniform_quantize
    with large_constants():
        assert library.uniform_quantize is not before
    assert library.uniform_quantize is before
    with pytest.raises(ValueError, match="axis remapping"):
        library.uniform_quantize(constant, parameters(constant))
