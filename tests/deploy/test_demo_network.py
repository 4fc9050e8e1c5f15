"""A frame's classes in the demo are those of the shown output's codes."""

import numpy as np
import pytest
from deploy_size import SIZE

from deploy.demo.network import Choice, Network
from deploy.runtime.errors import InputError
from deploy.runtime.postprocess import interpolation_matrix
from deploy.runtime.preprocess import Frame


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    return Frame("x", {"rgb": rgb, "depth": rng.uniform(0.5, 8, SIZE).astype(np.float32)})


def test_logits_that_are_no_numbers_are_an_error(artifacts, frame, monkeypatch):
    network = Network(Choice(artifacts["fp32"]))
    wrong = {
        name: logits.copy()
        for name, logits in network.runner.run_raw(network._feeds(frame)).items()
    }
    wrong["depth"][0, 1, 2, 3] = np.nan
    monkeypatch.setattr(network.runner, "run_raw", lambda arrays: wrong)
    assert network.see(frame, "rgb", (), 1).stream == "rgb"
    with pytest.raises(InputError, match="its depth output of x is not finite"):
        network.see(frame, "depth", (), 1)


def test_classes_are_taken_from_codes(artifacts, frame, monkeypatch):
    network = Network(Choice(artifacts["int8"]))
    all_codes = network.runner.run_raw(network._feeds(frame))

    def never(*_):
        raise AssertionError("every output was dequantised")

    monkeypatch.setattr(network.runner, "run", never)
    for stream, codes in all_codes.items():
        assert codes.dtype == np.int8
        # Four pixels to a logit: sums of 64ths of whole numbers are exact, and ties are ties.
        rows, columns = (
            interpolation_matrix(*sizes).astype(np.float64)
            for sizes in zip(codes.shape[1:3], SIZE, strict=True)
        )
        large = np.einsum("Hh,hwn,Ww->HWn", rows, codes[0], columns)
        seen = network.see(frame, stream, (), 1)
        assert seen.stream == stream and seen.image is None
        assert seen.classes.dtype == np.uint8 and len(np.unique(seen.classes)) > 1
        np.testing.assert_array_equal(seen.classes, large.argmax(-1))
