"""A saved model loads after `import cen_keras`, in either order with Keras, and the import stays light."""

import os
import subprocess
import sys

import pytest

from cen_keras.models import Segmenter


def run(code):
    """Runs code in a process of its own and returns what it printed."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("registration") / "model.keras"
    options = {"filters": 8, "pooling_stages": 1}
    Segmenter(("rgb",), 2, "narrow", decoder_options=options).save(path)
    return path


@pytest.mark.parametrize(
    "imports",
    [
        "import keras, cen_keras",
        "import cen_keras, keras",
        "import cen_keras.layers, cen_keras.models, keras",
        "from cen_keras import lift, Exchange; import keras",
    ],
)
def test_a_model_loads_whatever_the_order_of_imports(imports, saved):
    code = f"{imports}; print(keras.models.load_model({str(saved)!r}).modalities[0])"
    assert run(code) == "rgb"


def test_importing_the_package_does_not_load_keras():
    code = "import sys, cen_keras, cen_keras.errors; print('keras' in sys.modules or 'tensorflow' in sys.modules)"
    assert run(code) == "False"


@pytest.mark.parametrize(
    "module",
    ["lifting", "placement", "baselines"],
)
def test_every_module_may_be_the_first_one(module):
    assert run(f"import cen_keras.{module}; print('good')") == "good"
