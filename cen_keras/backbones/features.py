"""The features of any Keras network: the last block's output at strides 4, 8, 16 and 32.

A network's strides are found from its layers' settings, whatever the size of its image. A stride ends where a layer
halves the map; what that layer's block reads is the last output of the blocks before:

    ... - add - conv 1x1 - norm - relu - depthwise, stride 2 - ...      the add, not the expansion behind it
    ... - add - relu - conv, stride 2 - ...                             the relu
    ... - add - norm - conv, stride 2 - ...                             the add
    ... - concatenate - norm - relu - conv 1x1 - pool, stride 2 - ...   the relu
"""

import keras

from cen_keras.errors import InputError
from cen_keras.graph import Call, Graph, Tensor
from cen_keras.layers.kinds import NORMS, PREPROCESSING, is_activation

LEVELS = {"P2": 4, "P3": 8, "P4": 16, "P5": 32}
_PADDED = (keras.layers.ZeroPadding2D, keras.layers.Dropout)


def find_features(graph: Graph) -> dict[str, str]:
    """Returns level -> name of the call whose output is the network's feature map of that level.

    Args:
        graph: of a network of one image.

    Raises:
        InputError: the network has no map at one of the strides.
    """
    strides = _strides(graph)
    order = {call: index for index, call in enumerate(graph.calls)}
    features = {}
    for level, stride in LEVELS.items():
        ends = [
            _block_input(call)
            for call in graph.calls
            if strides[call.inputs[0]] == stride and strides[call.outputs[0]] == 2 * stride
        ]
        found = [tensor.producer for tensor in ends if tensor.producer is not None]
        if found:
            features[level] = min(found, key=order.__getitem__).name
            continue
        # Nothing halves the map any more: the last block of the network.
        maps = [
            call
            for call in graph.calls
            if strides[call.outputs[0]] == stride and len(call.outputs[0].shape) == 4
        ]
        last = [
            call
            for call in maps
            if call.is_a(*NORMS) or _adds(call) or is_activation(call.operation)
        ] or maps
        if not last:
            raise InputError(
                f"the network has no map at stride {stride}, which {level} wants; its strides are "
                f"{sorted(set(strides.values()))}. Name the layers with features=, level -> name."
            )
        features[level] = last[-1].name
    return features


def preprocessing_of(graph: Graph) -> list[Call]:
    """Returns the calls between the image and the first other layer that rescale or normalise it."""
    calls, (tensor,) = [], graph.inputs
    while len(tensor.readers) == 1 and tensor.readers[0].is_a(*PREPROCESSING):
        calls.append(tensor.readers[0])
        tensor = calls[-1].outputs[0]
    return calls


def _strides(graph: Graph) -> dict[Tensor, float]:
    """Returns how many times smaller than the image each map is."""
    strides: dict[Tensor, float] = dict.fromkeys(graph.inputs, 1.0)
    for call in graph.calls:
        stride = max((strides[tensor] for tensor in call.inputs), default=1.0)
        step = getattr(call.operation, "strides", None)
        if step is not None:
            step = max(step) if isinstance(step, (tuple, list)) else step
            stride = stride / step if call.is_a(keras.layers.Conv2DTranspose) else stride * step
        elif call.is_a(keras.layers.UpSampling2D):
            stride /= max(call.operation.size)
        strides.update(dict.fromkeys(call.outputs, stride))
    return strides


def _block_input(halving: Call) -> Tensor:
    """Walks back from a layer that halves its map to what its block reads."""
    tensor = inner = _behind(halving.inputs[0], *_PADDED)
    if inner.producer and is_activation(inner.producer.operation):
        inner = inner.producer.inputs[0]
    normed = inner.producer is not None and inner.producer.is_a(*NORMS)
    if normed:
        inner = inner.producer.inputs[0]
    source = inner.producer
    if source and source.is_a(keras.layers.Conv2D) and _is_pointwise(source.operation):
        return source.inputs[0]
    # A norm between two blocks belongs to the second one; an activation alone to the first.
    return inner if normed and source and _adds(source) else tensor


def _behind(tensor: Tensor, *classes: type) -> Tensor:
    while tensor.producer and tensor.producer.is_a(*classes):
        tensor = tensor.producer.inputs[0]
    return tensor


def _adds(call: Call) -> bool:
    return type(call.operation).__name__ == "Add" and len(call.inputs) == 2


def _is_pointwise(conv: keras.layers.Conv2D) -> bool:
    return max(conv.kernel_size) == 1 and max(conv.strides) == 1
