"""What the host's commands share: a quiet TensorFlow, and the backend that exporting needs."""

import logging
import os
import sys
import warnings

from cen_keras.errors import InputError
from cen_keras.quiet import stderr_kept_back


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its start-up notes on the terminal.

    Raises:
        InputError: Keras runs on another backend, from which there is no way to a .tflite file.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND is {backend!r}; exporting needs 'tensorflow'. A .keras file trained "
            "on another backend loads there: unset the variable for this command"
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules:
        # Its libraries write notes to the file descriptor while they load, whatever the log level.
        with stderr_kept_back():
            import tensorflow  # noqa: F401
    warnings.filterwarnings("ignore", category=UserWarning, module="keras|ai_edge_litert")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
