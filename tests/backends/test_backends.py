"""The layers and a model on JAX and torch against TensorFlow, each in a process of its own."""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@functools.cache
def results(backend):
    """What run_on_backend.py prints."""
    env = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": str(HERE.parent),
    }
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, HERE / "run_on_backend.py", folder],
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.gate
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_backend_agrees_with_tensorflow(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    reference, found = results("tensorflow"), results(backend)
    assert found["backend"] == backend
    for key, value in reference.items():
        if key == "backend":
            continue
        if key == "reload":
            assert found[key] == 0
            continue
        # About thirty layers of float32 sums in another order: 1e-5 of the largest value leaves a factor of ten.
        np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-5 * np.abs(value).max())
