"""One weight buffer for what is equal up to rounding: int8 keeps CEN as compact as one modality.

The modalities share their filters and own their norms. Folding a norm in scales each output channel
of a kernel; quantising per channel divides that scale out again. So the codes of the modalities'
kernels are the same numbers, a rounding apart, wherever their scales have one sign, while the
per-channel scales and the biases stay private. This pass runs on the finished .tflite: kernels of
one shape whose codes differ by at most one, and rarely, become one buffer.
"""

import dataclasses

import numpy as np

from .tflite_file import pack, unpack

# A folded weight lands on the other side of a rounding boundary once in about 10^5; a kernel of
# other filters differs nearly everywhere.
MOST_DIFFERING = 1e-3
# Smaller buffers (biases) are not worth the look, and bias codes differ in earnest.
LEAST_BYTES = 64


@dataclasses.dataclass
class MergeReport:
    """What merging did.

    Attributes:
        buffers: weight buffers that now stand for another as well.
        bytes_before: size of the file.
        bytes_after: size of the file after merging.
        codes: number of weights that were merged away.
        differing: how many of them changed, each by one code.
    """

    buffers: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    codes: int = 0
    differing: int = 0

    def to_json(self) -> dict:
        """Returns the fields, and the share of the file that merging saved."""
        saved = 1 - self.bytes_after / self.bytes_before if self.bytes_before else 0.0
        return {**dataclasses.asdict(self), "share_saved": saved}


def merge_weights(content: bytes) -> tuple[bytes, MergeReport]:
    """Lets int8 kernels that agree up to rounding share a buffer.

    Args:
        content: a .tflite file.

    Returns:
        The smaller file and what was merged; a file without int8 kernels comes back as it was.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(content)
    report = MergeReport(bytes_before=len(content), bytes_after=len(content))
    kept: dict[tuple, list[int]] = {}
    replaced: dict[int, int] = {}
    for buffer, shape in _int8_constants(model, schema):
        codes = np.asarray(model.buffers[buffer].data, np.uint8).view(np.int8)
        for candidate in kept.setdefault(shape, []):
            other = np.asarray(model.buffers[candidate].data, np.uint8).view(np.int8)
            differing = _differing(codes, other)
            if differing is not None:
                replaced[buffer] = candidate
                report.buffers += 1
                report.codes += codes.size
                report.differing += differing
                break
        else:
            kept[shape].append(buffer)
    if not replaced:
        return content, report
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = replaced.get(tensor.buffer, tensor.buffer)
    for buffer in replaced:
        model.buffers[buffer].data = None
    merged = pack(model)
    report.bytes_after = len(merged)
    return merged, report


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
