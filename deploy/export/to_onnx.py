"""Writes a Keras model as a float .onnx file for TensorRT and ONNX Runtime: opset 17, static
shapes, batch 1, channels first on both sides.

Opset 17 is the highest that TensorRT 8.5 (JetPack 5) reads, and later ones read it too. tf2onnx's
`from_function` with channels-first inputs and outputs is the route that leaves no Transpose behind;
what little it does leave (a Reshape to the same shape, a padding apart from its pooling) goes in
the passes below. Nodes and tensors are named after the Keras layers they come from.
"""

import contextlib
import gc
import logging
import re
from collections.abc import Iterator, Sequence

import onnx

from .onnx_graph import (
    OUTPUT_SUFFIX,
    constants,
    redirect,
    remove_unused,
    serialized,
    sort_topologically,
)

OPSET = 17


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
        )
    # The model's order of outputs; a function's dict comes sorted by name.
    _reorder(graph.graph.output, outputs)
    _reorder(graph.graph.input, names)
    other = [entry for entry in graph.opset_import if entry.domain]
    for entry in other:
        graph.opset_import.remove(entry)
    graph.graph.name = "cen_keras"
    drop_idle_reshapes(graph)
    fold_padding(graph)
    rename_after_layers(graph, [layer.name for layer in model.layers])
    remove_unused(graph)
    sort_topologically(graph)
    return serialized(onnx.shape_inference.infer_shapes(graph, strict_mode=True))


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


def drop_idle_reshapes(model: onnx.ModelProto) -> None:
    """Removes each Reshape to the shape that its input already has, in place.

    A one-channel image is the same in memory whichever way its axes are ordered, so tf2onnx writes
    its Transpose as a Reshape, which then reshapes nothing.
    """
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    outputs = {value.name for value in model.graph.output}
    for node in list(model.graph.node):
        same = shapes.get(node.input[0]) == shapes.get(node.output[0], ())
        if node.op_type == "Reshape" and same and node.output[0] not in outputs:
            redirect(model.graph.node, node.output[0], node.input[0])
            model.graph.node.remove(node)


def fold_padding(model: onnx.ModelProto) -> None:
    """Moves zero padding between a ReLU and a pooling into the MaxPool's own `pads`, in place.

    MaxPool pads with minus infinity. After a ReLU no value is below zero, and every window of a
    pooling with pads smaller than its kernel holds at least one of them: the maximum is the same.
    """
    values = constants(model)
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        pad = producers.get(node.input[0])
        if node.op_type != "MaxPool" or pad is None or pad.op_type != "Pad":
            continue
        before = producers.get(pad.input[0])
        amounts = [int(n) for n in values.get(pad.input[1], ())]
        fill = values[pad.input[2]] if len(pad.input) > 2 and pad.input[2] else 0
        spatial = amounts[2:4] + amounts[6:8]
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        own = list(attributes.get("pads", [0, 0, 0, 0]))
        kernel = list(attributes["kernel_shape"]) * 2
        total = [a + b for a, b in zip(own, spatial, strict=True)]
        if (
            before is None
            or before.op_type != "Relu"
            or fill != 0
            or sum(amounts) != sum(spatial)
            or min(amounts) < 0
            or any(a >= k for a, k in zip(total, kernel, strict=True))
            or attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID")
            or attributes.get("ceil_mode", 0)
        ):
            continue
        for attribute in [a for a in node.attribute if a.name in ("pads", "auto_pad")]:
            node.attribute.remove(attribute)
        node.attribute.append(onnx.helper.make_attribute("pads", total))
        node.input[0] = pad.input[0]


def rename_after_layers(model: onnx.ModelProto, layers: Sequence[str]) -> None:
    """Names nodes and tensors after Keras layers, in place.

    "frozen_1/stem_conv_rgb_1/Relu:0" becomes "stem_conv_rgb". Two calls of a layer, or two nodes of
    one layer, get a number behind. Inputs and outputs of the graph keep their names.
    """
    graph = model.graph
    fixed = {value.name for value in (*graph.input, *graph.output)}
    known, used = set(layers), set(fixed)

    def layer_of(name: str) -> str | None:
        for part in reversed(name.split("/")):
            for candidate in (part, re.sub(r"_\d+$", "", part)):
                if candidate in known:
                    return candidate
        return None

    def unique(name: str) -> str:
        number, candidate = 1, name
        while candidate in used:
            number += 1
            candidate = f"{name}_{number}"
        used.add(candidate)
        return candidate

    renamed = {name: name for name in fixed}
    renamed[""] = ""
    weights = {tensor.name for tensor in graph.initializer}
    nodes_named: set[str] = set()
    for node in graph.node:
        # tf2onnx gives a convolution that it moved a name of its own; its weight still tells.
        sources = [node.name, *node.output, *(n for n in node.input if n in weights)]
        name = next((n for n in map(layer_of, sources) if n), None) or node.op_type.lower()
        for output in node.output:
            renamed.setdefault(output, unique(name) if output not in fixed else output)
        label, number = name, 1
        while label in nodes_named:
            number += 1
            label = f"{name}_{number}"
        nodes_named.add(label)
        node.name = label
        kinds = {1: "kernel", 2: "bias"} if node.op_type == "Conv" else {}
        for index, tensor in enumerate(node.input):
            if tensor in weights and tensor not in renamed:
                renamed[tensor] = unique(f"{name}/{kinds.get(index, f'constant{index}')}")
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = renamed[name]
    for tensor in graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    del graph.value_info[:]


def _reorder(values, names: Sequence[str]) -> None:
    by_name = {}
    for value in values:
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        by_name[value.name] = copy
    del values[:]
    values.extend(by_name[name] for name in names)
