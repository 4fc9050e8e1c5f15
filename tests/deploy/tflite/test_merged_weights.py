"""merge_weights: fewer bytes, the same numbers, and nothing merged that is not the same."""

import numpy as np
import pytest
from seeded import images, trained_looking
from tflite_files import quantised

from cen_keras.models import Segmenter
from deploy.freeze import freeze
from deploy.tflite.model import pack, unpack
from deploy.tflite.passes.merged_weights import merge_weights
from deploy.tflite.writer import write

SIZE = (32, 32)


@pytest.fixture(scope="module")
def made():
    """A two-modality int8 file whose scales have one sign, and its samples."""
    options = {"filters": 32, "pooling_stages": 1}
    model = Segmenter(num_classes=5, backbone="narrow", decoder_options=options)
    model = trained_looking(model, negative=0)
    samples = images(model, SIZE, batch=2)
    return quantised(write(freeze(model, "all", SIZE), SIZE), samples), samples


def merged_file(content):
    model = unpack(content)
    report = merge_weights(model)
    return pack(model), report


def run(content, samples):
    """The int8 outputs for the first sample."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    feeds = {}
    for name, detail in runner.get_input_details().items():
        scale, zero_point = detail["quantization"]
        feeds[name] = np.clip(np.round(samples[name][:1] / scale + zero_point), -128, 127).astype(
            np.int8
        )
    return {name: np.array(value) for name, value in runner(**feeds).items()}


def test_saves_what_the_modalities_share_and_changes_no_output(made):
    content, samples = made
    merged, report = merged_file(content)
    # The decoder's twelve convolutions are not before an exchange: each kernel has a twin.
    assert report["buffers"] >= 12
    assert len(merged) < len(content) - 0.9 * report["codes"]
    before, after = run(content, samples), run(merged, samples)
    for name in before:
        # One weight in 10^5 moves by one code of 127: a logit moves by at most a few of its 256.
        gap = np.abs(before[name].astype(int) - after[name])
        assert gap.max() <= max(1, report["differing"])


def test_merging_twice_changes_nothing(made):
    merged, _ = merged_file(made[0])
    again, report = merged_file(merged)
    assert again == merged
    assert report["buffers"] == 0


def test_other_filters_are_left_alone(made):
    from ai_edge_litert import schema_py_generated as schema

    merged, _ = merged_file(made[0])
    model = schema.ModelT.InitFromPackedBuf(merged, 0)
    kernels = {}
    for tensor in model.subgraphs[0].tensors:
        data = model.buffers[tensor.buffer].data
        if tensor.type == schema.TensorType.INT8 and data is not None:
            kernels.setdefault(tensor.buffer, []).append(tensor.name.decode())
    for names in kernels.values():
        # Whoever shares a buffer is the same layer of another modality.
        assert len({name.replace("_depth", "").replace("_rgb", "") for name in names}) == 1, names
