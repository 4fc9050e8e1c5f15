"""Maximum mean discrepancy: the penalty of alignment-based fusion (CEN Eq. 3, "Alig").

MMD^2 is the squared distance between the means of two samples in the feature space of a kernel
(Gretton et al., JMLR 2012); zero where the samples agree:

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y)

The means run over all pairs, a sample with itself among them, so it is never negative and a single
sample has one too. Which kernel the paper used is not known; ours are

    linear  x . y, which compares the means of the features
    cubic   (x . y / C + 1)^3, which compares their first three moments
    rbf     mean of exp(-|x - y|^2 / (s d)) over s = 1/4, 1/2, 1, 2, 4, where d is the mean
            |x - y|^2 between the two samples (a constant to the gradient)
"""

from keras import ops

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


def squared_distances(x, y):
    """Returns the (n, k) matrix of |x_i - y_j|^2 of (n, c) and (k, c) samples."""
    inner = ops.matmul(x, ops.transpose(y))
    distances = ops.sum(x**2, 1)[:, None] + ops.sum(y**2, 1)[None] - 2 * inner
    return ops.maximum(distances, 0.0)


def _linear(x, y):
    def kernel(a, b):
        return ops.matmul(a, ops.transpose(b))

    return kernel


def _cubic(x, y):
    def kernel(a, b):
        return (ops.matmul(a, ops.transpose(b)) / a.shape[-1] + 1) ** 3

    return kernel


def _rbf(x, y):
    width = ops.stop_gradient(ops.mean(squared_distances(x, y))) + 1e-12

    def kernel(a, b):
        scaled = squared_distances(a, b) / width
        return sum(ops.exp(-scaled / s) for s in BANDWIDTHS) / len(BANDWIDTHS)

    return kernel


KERNELS = {"linear": _linear, "cubic": _cubic, "rbf": _rbf}


def mean_discrepancy(x, y, kernel: str = "rbf"):
    """Returns MMD^2 of two samples, a scalar of at least 0.

    Args:
        x: (n, c) floats.
        y: (k, c) floats.
        kernel: a name in KERNELS.
    """
    k = KERNELS[kernel](x, y)
    return ops.mean(k(x, x)) + ops.mean(k(y, y)) - 2 * ops.mean(k(x, y))
