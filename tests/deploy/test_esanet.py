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
    found = beside({"small": path}, lambda line: None, rounds=2, threads=1, macs={"small": 10**6})
    details = found["details"]["esanet"]
    p50 = details["p50_ms"]
    rivals = {"litert_fp32", "litert_int8", "ort_fp32", "ort_int8"}
    assert set(p50) == {"small"} | rivals
    assert found["latency_of_esanet"]["small"] == {r: p50["small"] / p50[r] for r in rivals}
    assert set(details["macs"]) == {"small"} | rivals
    assert details["ps_per_mac"]["small"] == pytest.approx(1e3 * p50["small"])
    assert details["artifacts"] == {"small": str(path)}
