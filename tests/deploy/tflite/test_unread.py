"""drop_unread: what nobody reads goes, and the numbers are the same."""

import keras
import numpy as np
from ai_edge_litert.interpreter import Interpreter

from deploy.tflite.model import add_constant, pack, unpack
from deploy.tflite.passes.unread import drop_unread
from deploy.tflite.writer import write


def test_unread_constants_go_and_the_numbers_stay():
    rgb, depth = keras.Input((8, 8, 3), name="rgb"), keras.Input((8, 8, 1), name="depth")
    x = keras.layers.Conv2D(4, 3, name="a")(rgb)
    y = keras.layers.Conv2D(4, 3, use_bias=False, name="b")(depth)
    outputs = {"rgb": x, "depth": y, "ensemble": keras.layers.Add()([x, y])}
    content = write(keras.Model({"rgb": rgb, "depth": depth}, outputs), (8, 8))
    model = unpack(content)
    graph = model.subgraphs[0]
    add_constant(model, graph, b"unread", np.zeros(10**5, np.float32))
    drop_unread(model)
    found = pack(model)
    assert len(found) <= len(content) + 100
    assert not any(tensor.name == b"unread" for tensor in model.subgraphs[0].tensors)
    rng = np.random.default_rng(0)
    feeds = {"rgb": rng.normal(size=(1, 8, 8, 3)), "depth": rng.normal(size=(1, 8, 8, 1))}
    feeds = {name: array.astype(np.float32) for name, array in feeds.items()}
    wanted, given = (
        Interpreter(model_content=c).get_signature_runner()(**feeds) for c in (content, found)
    )
    for name in outputs:
        np.testing.assert_array_equal(given[name], wanted[name])
    again = unpack(found)
    drop_unread(again)
    assert pack(again) == found
