"""Each Resize says the size it resizes to, not the factor.

The factor is a float32, and readers round its product with the size down: 12 * float32(23 / 12) is
below 23, so a map of 12 rows would become 22. Rounded to the nearest it is the size that was meant. The
region, which only crops have and which is an empty constant here, is left out: NVIDIA's parser warns of it.

Needs a float model of static shapes, whose Resizes have constant scales. Promises the same numbers
where the product was whole, and the right sizes where it was not.
"""

import numpy as np
import onnx
from onnx import numpy_helper

from ..graph import constants, static_shapes


def write_sizes(model: onnx.ModelProto) -> None:
    """Replaces scales by sizes in place; a Resize whose input's shape is not known is left."""
    known = constants(model)
    shapes = static_shapes(model)
    for number, node in enumerate(list(model.graph.node)):
        if node.op_type != "Resize" or len(node.input) != 3 or node.input[2] not in known:
            continue
        shape = shapes.get(node.input[0], ())
        scales = known[node.input[2]].astype(np.float64)
        if len(shape) != len(scales) or min(shape) < 1:
            continue
        sizes = np.rint(scales * shape).astype(np.int64)
        name = f"{node.output[0]}_size_{number}"
        model.graph.initializer.append(numpy_helper.from_array(sizes, name))
        if node.input[1] in known and not known[node.input[1]].size:
            node.input[1] = ""
        node.input[2] = ""
        node.input.append(name)
        if shapes.get(node.output[0]) != sizes.tolist():
            # Behind a wrong size every shape is wrong, those that the model notes too.
            del model.graph.value_info[:]
            shapes = static_shapes(model)
