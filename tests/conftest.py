"""Makes the helpers beside this file importable from every test, and weights the same in every run."""

import os
import random
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# What XLA compiles here runs a few times only: code that is not optimised is there in a third of the time.
# Processes that tests start inherit it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# Two test processes share two cores: with a thread each they need a fifth less time, and sums have one order.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from skips import pytest_terminal_summary  # noqa: F401


def _seed(name: str) -> None:
    # Keras draws the seeds of initializers and dropout from `random`. Each test and fixture has seeds
    # of its own, so that no two models are equal by accident.
    random.seed(name)
    np.random.seed(zlib.crc32(name.encode()))


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    _seed(fixturedef.argname)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    _seed(item.nodeid)
