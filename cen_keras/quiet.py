"""Imports of frameworks without their start-up notes, for commands whose standard error is read."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_kept_back() -> Iterator[None]:
    """Keeps what is written to standard error, by C++ too; lets it out only after an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as buffer:
        os.dup2(buffer.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            buffer.seek(0)
            sys.stderr.write(buffer.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def import_keras() -> None:
    """Imports Keras and its backend and lets the backend look for its devices, in silence."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with stderr_kept_back():
        import keras

        # TensorFlow looks for devices, and notes what it missed, with the first tensor.
        keras.ops.convert_to_tensor(0.0)
