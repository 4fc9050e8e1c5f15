"""Graph: every call of a functional model, nested models opened, in an order in which it can be computed."""

import keras
import numpy as np
import pytest

from cen_keras.errors import InputError
from cen_keras.graph import Graph


def model():
    image = keras.Input((4, 4, 2), name="image")
    block = keras.Sequential(
        [keras.Input((4, 4, 2)), keras.layers.Dense(2, name="dense")], name="block"
    )
    x = block(image)
    y = block(keras.layers.ReLU(name="relu")(x))
    return keras.Model(image, {"sum": keras.layers.Add(name="sum")([x, y * 2.0]), "x": x})


def compute(graph, *inputs):
    def call_layer(call, values):
        args, kwargs = call.fill(values.__getitem__)
        return keras.tree.flatten(call.operation(*args, **kwargs))

    return [np.array(value) for value in graph.run(inputs, call_layer)]


def test_replaying_the_calls_gives_the_models_outputs():
    network = model()
    image = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype("float32")
    made = compute(Graph(network), image)
    expected = keras.tree.flatten(network(image))
    for found, wanted in zip(made, expected, strict=True):
        np.testing.assert_array_equal(found, np.array(wanted))  # the same operations


def test_nested_models_are_opened_and_a_layer_that_is_called_twice_is_two_calls():
    names = [call.name for call in Graph(model()).calls]
    assert names.count("dense") == 2 and "block" not in names


def test_tensors_know_who_makes_and_reads_them():
    graph = Graph(model())
    (image,) = graph.inputs
    assert image.producer is None and [call.name for call in image.readers] == ["dense"]
    for call in graph.calls:
        assert all(tensor.producer is call for tensor in call.outputs)
        assert all(call in tensor.readers for tensor in call.inputs)


def test_equal_names_in_nested_models_are_distinguished():
    def block(name):
        return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="same")], name=name)

    x = keras.Input((2,))
    network = keras.Model(x, block("second")(block("first")(x)))
    assert [call.name for call in Graph(network).calls] == ["same", "second_same"]


def test_a_cut_graph_has_what_its_outputs_need():
    graph = Graph(model())
    graph.cut({"relu": "relu"})
    assert [call.name for call in graph.calls] == ["dense", "relu"]
    (relu,) = graph.flat_outputs
    assert relu.readers == []
    with pytest.raises(InputError, match="'nothing'"):
        graph.cut({"x": "nothing"})


def test_a_model_whose_calls_are_not_known_is_refused():
    with pytest.raises(InputError, match="unbuilt"):
        Graph(keras.Sequential([keras.layers.Dense(2)], name="unbuilt"))
