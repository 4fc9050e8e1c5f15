"""Parts of the tests that need what not every machine has: skipped where it is absent, but an error where
CEN_KERAS_TEST_PARTS names the part ("ros,tensorrt-rtx,arm"), as the gate does.
"""

import importlib
import os

import pytest


def needed(part, *modules):
    """Imports modules; gives the first."""
    try:
        return [importlib.import_module(module) for module in modules][0]
    except ImportError as error:
        absent(part, str(error))


def absent(part, reason):
    """Skips the file, or fails it where the part has to run."""
    if part in os.environ.get("CEN_KERAS_TEST_PARTS", "").split(","):
        raise RuntimeError(f"{part} has to run here: {reason}")
    pytest.skip(f"{part}: {reason}", allow_module_level=True)
