"""ESANet as it was published, as far as its numbers tell, and a small artifact beside it."""

import keras
import pytest

from deploy.artifacts import export
from deploy.benchmarks.esanet import CLASSES, DECODER, beside, esanet
from deploy.run_folder import open_run


def test_it_has_the_published_number_of_parameters():
    model = esanet((480, 640))
    trained = sum(int(keras.ops.size(weight)) for weight in model.trainable_weights)
    # In training each module of the decoder has a 1x1 convolution to the classes of its own.
    trained += sum((channels + 1) * CLASSES for channels, _ in DECODER)
    assert round(trained / 1e6, 1) == 47.0
    assert model.output["ensemble"].shape == (1, 480, 640, 40)


@pytest.mark.slow
def test_a_small_artifact_is_timed_beside_it(run_path, tmp_path):
    path = export(
        open_run(run_path), "tflite", "static_w8a8", image_shape=(160, 160), folder=tmp_path
    )
    found = beside(path, lambda line: None, rounds=2, threads=1)
    p50 = found["details"]["esanet"]["p50_ms"]
    assert set(p50) == {"artifact", "fp32", "int8"}
    assert found["latency_of_esanet"] == {
        name: p50["artifact"] / p50[name] for name in ("fp32", "int8")
    }
    assert found["details"]["esanet"]["artifact"] == str(path)
