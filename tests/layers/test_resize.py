"""BilinearResize against a loop in NumPy, for both conventions of where pixels lie."""

import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.layers import BilinearResize
from cen_keras.layers.resize import interpolation_matrix


def oracle(image, height, width, mode):
    """Bilinear sampling, pixel by pixel."""
    h, w, _ = image.shape
    result = np.zeros((height, width, image.shape[2]))
    for i in range(height):
        for j in range(width):
            if mode == "align_corners":
                y = i * (h - 1) / max(height - 1, 1)
                x = j * (w - 1) / max(width - 1, 1)
            else:
                y = min(max((i + 0.5) * h / height - 0.5, 0), h - 1)
                x = min(max((j + 0.5) * w / width - 0.5, 0), w - 1)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            top = image[y0, x0] * (1 - x + x0) + image[y0, x1] * (x - x0)
            bottom = image[y1, x0] * (1 - x + x0) + image[y1, x1] * (x - x0)
            result[i, j] = top * (1 - y + y0) + bottom * (y - y0)
    return result


@pytest.mark.parametrize("mode", ["half_pixel", "align_corners"])
@pytest.mark.parametrize("size", [(9, 13), (4, 6), (5, 1), (16, 24)])
def test_equals_the_oracle(mode, size):
    image = np.random.default_rng(0).normal(size=(1, 5, 7, 2)).astype("float32")
    out = BilinearResize(size=size, mode=mode)(image)
    # Positions in float32: an error of 1e-6 of a pixel times differences of size ~4.
    np.testing.assert_allclose(np.asarray(out)[0], oracle(image[0], *size, mode), atol=2e-5)


def test_takes_the_size_of_another_map():
    out = BilinearResize()(np.ones((1, 3, 4, 2), "float32"), like=np.ones((1, 9, 7, 5), "float32"))
    assert out.shape == (1, 9, 7, 2)
    np.testing.assert_allclose(np.asarray(out), 1, atol=1e-6)  # weights sum to one in float32


@pytest.mark.parametrize(("size_in", "size_out"), [(5, 9), (9, 5), (1, 4), (4, 1), (3, 3)])
def test_rows_of_the_matrix_sum_to_one(size_in, size_out):
    matrix = interpolation_matrix(size_in, size_out)
    np.testing.assert_allclose(matrix.sum(1), 1, atol=1e-6)  # two float32 weights
    assert matrix[0, 0] == 1


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="'nearest'"):
        BilinearResize(mode="nearest")
    with pytest.raises(InputError, match="like"):
        BilinearResize()(np.ones((1, 2, 2, 1), "float32"))
