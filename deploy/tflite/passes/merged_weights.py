"""One weight buffer for what is equal up to rounding: int8 keeps CEN as compact as one modality.

The modalities share their filters and own their norms. Folding a norm in scales each output channel
of a kernel; quantising per channel divides that scale out again. So the codes of the modalities'
kernels are the same numbers, a rounding apart, wherever their scales have one sign, while the
per-channel scales and the biases stay private. Kernels of one shape whose codes differ by at most one,
and rarely, become one buffer.

Needs a finished integer model. Changes some codes by one, and says how many.
"""

import numpy as np

# A folded weight lands on the other side of a rounding boundary once in about 10^5; a kernel of
# other filters differs nearly everywhere.
MOST_DIFFERING = 1e-3
# Smaller buffers (biases) are not worth the look, and bias codes differ in earnest.
LEAST_BYTES = 64


def merge_weights(model) -> dict[str, int]:
    """Lets int8 kernels of a `ModelT` that agree up to rounding share a buffer.

    Returns:
        `buffers` that now stand for another as well, `codes` (weights that were merged away, a byte
        each) and how many of them are `differing`, each by one code.
    """
    from ai_edge_litert import schema_py_generated as schema

    report = {"buffers": 0, "codes": 0, "differing": 0}
    kept: dict[tuple, list[int]] = {}
    replaced: dict[int, int] = {}
    for buffer, shape in _int8_constants(model, schema):
        codes = np.asarray(model.buffers[buffer].data, np.uint8).view(np.int8)
        for candidate in kept.setdefault(shape, []):
            other = np.asarray(model.buffers[candidate].data, np.uint8).view(np.int8)
            differing = _differing(codes, other)
            if differing is not None:
                replaced[buffer] = candidate
                report["buffers"] += 1
                report["codes"] += codes.size
                report["differing"] += differing
                break
        else:
            kept[shape].append(buffer)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = replaced.get(tensor.buffer, tensor.buffer)
    for buffer in replaced:
        model.buffers[buffer].data = None
    return report


def _int8_constants(model, schema) -> list[tuple[int, tuple]]:
    """The (buffer, shape) of every int8 constant, each buffer once."""
    found = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if (
                tensor.type == schema.TensorType.INT8
                and data is not None
                and len(data) >= LEAST_BYTES
            ):
                found.setdefault(tensor.buffer, tuple(tensor.shape))
    return sorted(found.items())


def _differing(codes: np.ndarray, other: np.ndarray) -> int | None:
    """How many codes differ, or None where it is more than rounding explains."""
    gap = np.abs(codes.astype(np.int16) - other)
    count = int(np.count_nonzero(gap))
    return count if gap.max() <= 1 and count <= MOST_DIFFERING * codes.size else None
