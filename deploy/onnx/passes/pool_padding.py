"""Zero padding between a ReLU and a pooling becomes the MaxPool's own `pads`.

MaxPool pads with minus infinity. After a ReLU no value is below zero, and every window of a
pooling with pads smaller than its kernel holds at least one of them: the maximum is the same.

Needs a float model. Promises the same numbers to the last bit.
"""

import onnx

from ..graph import constants


def fold_padding(model: onnx.ModelProto) -> None:
    """Moves it in place."""
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
