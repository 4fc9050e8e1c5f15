"""A .tflite file as objects that can be changed, and back."""

import numpy as np


def unpack(content: bytes):
    """Reads a file into a `ModelT` of its schema, all buffers inside it."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.size:  # laid behind the flatbuffer; brought back into it
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def pack(model) -> bytes:
    """Writes a `ModelT` as a file."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def without_unread(model):
    """Empties the buffers of constants that no operator of a `ModelT` reads any more."""
    read = {
        graph.tensors[tensor].buffer
        for graph in model.subgraphs
        for operator in graph.operators
        for tensor in operator.inputs
        if tensor >= 0
    }
    for number, buffer in enumerate(model.buffers):
        if number not in read and not any(m.buffer == number for m in model.metadata or ()):
            buffer.data = None
    return model
