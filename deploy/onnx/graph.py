"""Small tools on ONNX graphs: reading a file, names, constants, and its inputs and outputs as the
manifest sees them.

A value of an ONNX graph has one name, so an input and an output of one modality cannot both be
called "rgb". Outputs therefore carry a suffix in the file ("rgb_logits"); the manifest keeps the
plain name and notes the one in the file.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import numpy_helper

from cen_keras.errors import InputError

from ..target import GraphTensors, Tensor

OUTPUT_SUFFIX = "_logits"
_DTYPES = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT8: "int8"}


def parse(content: bytes, where: str = "ONNX model") -> onnx.ModelProto:
    """Reads a model's bytes.

    Raises:
        InputError: they are no ONNX model (truncated, damaged, another format); `where` opens the
            message.
    """
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise InputError(f"{where}: not a whole ONNX file ({error}); export it again") from error
    # protobuf takes many a foreign file for an empty message.
    if not model.graph.node or not model.opset_import:
        raise InputError(f"{where}: no ONNX graph in it; export it again")
    return model


def read_tensors(content: bytes) -> GraphTensors:
    """Reads inputs and outputs by the manifest's names; see `Target.read_tensors`."""
    return tensors_of(parse(content))


def tensors_of(model: onnx.ModelProto) -> GraphTensors:
    """The same of a model in memory."""
    graph = model.graph
    inputs = {value.name: _tensor(value) for value in graph.input}
    outputs = {value.name.removesuffix(OUTPUT_SUFFIX): _tensor(value) for value in graph.output}
    return GraphTensors(inputs, outputs)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The initializers by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def static_shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Infers the shapes of all values; an axis whose size is not known is 0."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without nodes and initializers that no output depends on, its nodes in order.

    Raises:
        InputError: onnx-graphsurgeon is not installed.
    """
    try:
        import onnx_graphsurgeon
    except ImportError as error:
        raise InputError(
            f"ONNX artifacts need onnx-graphsurgeon ({error}); pip install cen-keras[export]"
        ) from error

    graph = onnx_graphsurgeon.import_onnx(model)
    graph.cleanup(remove_unused_node_outputs=False).toposort()
    tidied = onnx_graphsurgeon.export_onnx(graph, do_type_check=False)
    tidied.ir_version, tidied.producer_name = model.ir_version, model.producer_name
    return tidied


def redirect(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    """Lets `nodes` read `new` where they read `old`."""
    for node in nodes:
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = new


def serialized(model: onnx.ModelProto) -> bytes:
    """The file's bytes, after the checker's full check with shape inference."""
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(int(dim.dim_value) for dim in kind.shape.dim)
    dtype = _DTYPES.get(kind.elem_type, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name)
    plain = value.name.removesuffix(OUTPUT_SUFFIX)
    tensor = value.name if plain != value.name else ""
    return Tensor(shape, dtype, None, "NCHW", tensor)
