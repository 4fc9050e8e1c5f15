"""Writes a Keras model as a float .onnx file for TensorRT and ONNX Runtime: opset 17, static
shapes, batch 1, channels first on both sides.

Opset 17 is the highest that TensorRT 8.5 (JetPack 5) reads, and later ones read it too. tf2onnx's
`from_function` with channels-first inputs and outputs is the route that leaves no Transpose behind;
what little it does leave (a Reshape to the same shape, a padding apart from its pooling) goes in
WRITING_PASSES.
"""

import contextlib
import gc
import logging
from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from .graph import OUTPUT_SUFFIX, serialized, tidy
from .passes.constant_biases import keep_constant_biases
from .passes.idle_reshapes import drop_idle_reshapes
from .passes.layer_names import rename_after_layers
from .passes.pool_padding import fold_padding
from .passes.resize_sizes import write_sizes

OPSET = 17
WRITING_PASSES = (keep_constant_biases, write_sizes, drop_idle_reshapes, fold_padding)
"""What is done in place to every graph that tf2onnx made, in order; then it is renamed and tidied."""


def write(model, image_shape: Sequence[int]) -> bytes:
    """Converts a model.

    Args:
        model: a `keras.Model` from {name: (b, h, w, c)} to {name: (b, h', w', n)}, float32.
        image_shape: height and width of every input.

    Returns:
        The file's bytes. Inputs are named as the model's and have shape (1, c, h, w); outputs have
        shape (1, n, h', w') and `OUTPUT_SUFFIX` behind the model's names.
    """
    import tensorflow as tf
    import tf2onnx

    height, width = image_shape
    names = [tensor.name for tensor in model.inputs]
    signature = [
        tf.TensorSpec((1, height, width, tensor.shape[-1]), tf.float32, tensor.name)
        for tensor in model.inputs
    ]

    @tf.function(input_signature=signature)
    def function(*arrays):
        outputs = model(dict(zip(names, arrays, strict=True)), training=False)
        return {name + OUTPUT_SUFFIX: logits for name, logits in outputs.items()}

    outputs = [name + OUTPUT_SUFFIX for name in model.output]
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with copies_collected():
        graph, _ = tf2onnx.convert.from_function(
            function,
            input_signature=signature,
            opset=OPSET,
            inputs_as_nchw=names,
            outputs_as_nchw=outputs,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    # The model's order of outputs; a function's dict comes sorted by name.
    _reorder(graph.graph.output, outputs)
    _reorder(graph.graph.input, names)
    other = [entry for entry in graph.opset_import if entry.domain]
    for entry in other:
        graph.opset_import.remove(entry)
    graph.graph.name = "cen_keras"
    for step in WRITING_PASSES:
        step(graph)
    rename_after_layers(graph, [layer.name for layer in model.layers])
    return serialized(onnx.shape_inference.infer_shapes(tidy(graph), strict_mode=True))


def _erfc(ctx, node, name: str, args: Sequence) -> None:
    """Writes erfc(x), of an exact GELU, as 1 - erf(x): ONNX has no operator of its own."""
    node.type = "Erf"
    one = ctx.make_const(f"{name}_one", np.array(1, np.float32))
    (output,) = node.output
    ctx.insert_new_node_on_output(
        "Sub", output, name=f"{name}_rest", inputs=[one.output[0], output]
    )


@contextlib.contextmanager
def copies_collected() -> Iterator[None]:
    """Collects garbage early and often.

    Each of tf2onnx's passes copies the graph with its weights into objects that refer to each other.
    Python counts objects, not bytes, and looks at old ones only when a quarter as many are new, so
    beside TensorFlow's million it lets dozens of copies lie: gigabytes for a ResNet-18. With what is
    there already set aside, the copies are all that it counts.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.collect()
    gc.set_threshold(thresholds[0], 5, 2)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _reorder(values, names: Sequence[str]) -> None:
    by_name = {}
    for value in values:
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        by_name[value.name] = copy
    del values[:]
    values.extend(by_name[name] for name in names)
