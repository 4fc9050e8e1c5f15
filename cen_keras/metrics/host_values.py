"""Values of tensors on the host, as far as they have any."""

import keras
import numpy as np


def host_value(tensor) -> np.ndarray | None:
    """Returns a tensor's values as an array, or None while a graph is traced, where it has none.

    Args:
        tensor: a tensor of the backend in use, a Keras variable or symbolic tensor, or an array.
    """
    if keras.backend.is_keras_tensor(tensor):
        return None
    try:
        return np.asarray(keras.ops.convert_to_numpy(tensor))
    except (RuntimeError, TypeError):
        # The backends tell by their errors only. A RuntimeError: TensorFlow's graph tensors and
        # torch's meta tensors (NotImplementedError is one), torch's fake tensors. A TypeError:
        # JAX's tracers.
        return None
