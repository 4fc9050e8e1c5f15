"""Writes a Keras model as a float .tflite file: static shapes, batch 1, tensors named by modality
and stream.

The way leads through one traced function with named TensorSpecs and a dict of outputs, which keeps
our own names on both sides of the file's signature; converting a Keras model directly numbers its
outputs. (A detour through a SavedModel gives the same bytes in twice the time.)
"""

import re
from collections.abc import Sequence

from cen_keras.errors import InputError
from cen_keras.quiet import stderr_kept_back

from .graph import check_builtins


def write(model, image_shape: Sequence[int]) -> bytes:
    """Converts a model.

    Args:
        model: a `keras.Model` from {name: (b, h, w, c)} to {name: (b, h', w', n)}, float32.
        image_shape: height and width of every input.

    Returns:
        The file's bytes; its signature takes and gives the model's names.

    Raises:
        InputError: a layer needs an operator that LiteRT has not built in; it is named.
    """
    import tensorflow as tf

    height, width = image_shape
    signature = {
        tensor.name: tf.TensorSpec((1, height, width, tensor.shape[-1]), tf.float32, tensor.name)
        for tensor in model.inputs
    }

    class Served(tf.Module):
        """The model with its variables where TensorFlow's tracking finds them.

        Handed the Keras model itself, the converter finds none, leaves reads of variables in the
        file that nobody ever writes, and the file computes NaN.
        """

        def __init__(self):
            super().__init__()
            self.weights = [variable.value for variable in model.variables]

        @tf.function(input_signature=[signature])
        def serve(self, inputs):
            return model(inputs, training=False)

    served = Served()
    traced = served.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], served)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    refusal = None
    with stderr_kept_back():
        try:
            content = converter.convert()
        except Exception as error:  # the converter's own error derives from Exception alone
            refusal = _refusal(str(error), traced.graph)
            if refusal is None:
                raise
    if refusal is not None:
        raise InputError(refusal)
    check_builtins(content)
    return content


def _refusal(text: str, graph) -> str | None:
    """Says which layers the converter has no operators for; None for an error of another kind."""
    kinds = set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", text))
    if not kinds:
        return None
    # The converter tells a kind and a line of Python; the graph knows the layer.
    named = [f"{op.type} in {op.name}" for op in graph.get_operations() if op.type in kinds]
    found = ", ".join(named[:5] or sorted(kinds))
    return (
        f"the model needs operators that LiteRT does not have built in: {found}; replace these "
        "layers by plain ones (convolution, pooling, add, concatenate, resize)"
    )
