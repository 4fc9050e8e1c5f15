"""The error of each layer: none between equal files, small and growing in 8 bits, and where it was put."""

import json

import numpy as np
import pytest

from deploy.__main__ import main
from deploy.layer_errors import layer_errors
from deploy.runtime.runner import open_runner
from deploy.tflite.model import pack, unpack


@pytest.fixture(scope="module")
def feeds(artifacts):
    generator = np.random.default_rng(0)
    runner = open_runner(artifacts["fp32"])
    return [
        {
            name: generator.uniform(-1.5, 1.5, (1, *spec.hwc)).astype(np.float32)
            for name, spec in runner.inputs.items()
        }
    ]


def test_equal_files_have_no_error(artifacts, feeds):
    content = artifacts["fp32"].read_bytes()
    errors = layer_errors(content, content, feeds)
    assert len(errors) > 20
    assert all(error.noise == 0 for error in errors)


def test_a_changed_weight_shows_in_its_layer_and_behind_it(artifacts, feeds):
    content = artifacts["fp32"].read_bytes()
    model = unpack(content)
    graph = model.subgraphs[0]
    # The bias of an operator in the middle that shares it with none.
    biases = [graph.tensors[op.inputs[2]].buffer for op in graph.operators if len(op.inputs) == 3]
    alone = [
        op
        for op in graph.operators
        if len(op.inputs) == 3 and biases.count(graph.tensors[op.inputs[2]].buffer) == 1
    ]
    chosen = alone[len(alone) // 2]
    buffer = model.buffers[graph.tensors[chosen.inputs[2]].buffer]
    buffer.data = (np.asarray(buffer.data, np.uint8).view(np.float32) + 1).view(np.uint8)
    errors = layer_errors(pack(model), content, feeds)
    name = graph.tensors[chosen.outputs[0]].name.decode()
    place = [graph.tensors[op.outputs[0]].name.decode() for op in graph.operators].index(name)
    assert all(error.noise == 0 for error in errors[:place])
    assert errors[place].noise > 0 and errors[-1].noise > 0


def test_verify_prints_the_layers(artifacts, tmp_path, capsys):
    result = tmp_path / "v.json"
    arguments = ["verify", str(artifacts["int8"]), "--count", "2", "--max-drop", "100"]
    assert main([*arguments, "--layers", "1", "--json", str(result)]) == 0
    layers = json.loads(result.read_text())["layers"]
    printed = capsys.readouterr().out
    assert "stem_conv_rgb" in printed
    falls = np.diff([layer["sqnr_db"] for layer in layers])
    assert f"steepest fall: {layers[int(falls.argmin()) + 1]['name']}, " in printed
    # Eight bits: a first layer has some 40 dB, a swapped or unscaled one would have none.
    assert layers[0]["sqnr_db"] > 25 and all(layer["sqnr_db"] > 3 for layer in layers)
