"""Runs .tflite artifacts with LiteRT's interpreter (XNNPACK kernels on the CPU)."""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .files import PathLike
from .manifest import Manifest
from .runner import Runner

SIGNATURE = "serving_default"


class LiteRTRunner(Runner):
    """A .tflite artifact in a LiteRT interpreter, its tensors addressed by the names of the
    signature.

    Args:
        path: the `.tflite` file.
        manifest: of the file.
        threads: number of threads; None = the engine's default (one).

    Raises:
        InputError: no LiteRT is installed, the file is no model, or its signature is not what the
            manifest says.
    """

    def __init__(self, path: PathLike, manifest: Manifest, threads: int | None = None):
        super().__init__(path, manifest)
        interpreter_class, self.engine = _interpreter_class()
        try:
            self._interpreter = interpreter_class(model_path=str(path), num_threads=threads)
            # Before get_signature_runner: an interpreter without tensors gives a runner that
            # crashes.
            self._interpreter.allocate_tensors()
            self._signature = self._interpreter.get_signature_runner(SIGNATURE)
        except (ValueError, RuntimeError) as error:
            reason = (
                str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            )
            raise InputError(f"{path}: {self.engine} cannot load it ({reason})") from error
        for side, details in (
            (self.inputs, self._signature.get_input_details()),
            (self.outputs, self._signature.get_output_details()),
        ):
            if set(details) != set(side):
                raise InputError(
                    f"{path}: the file has {', '.join(sorted(details))}, the manifest "
                    f"{', '.join(sorted(side))}; export the artifact again"
                )
            for name, spec in side.items():
                self._check_tensor(spec, details[name]["shape"], details[name]["dtype"])

    def close(self) -> None:
        """Frees the interpreter with its weights and arena."""
        del self._signature, self._interpreter

    def _invoke(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        # Copies: the arrays are views into the interpreter, which refuses its next run while
        # somebody holds one.
        return {name: np.array(value) for name, value in self._signature(**feeds).items()}


def _interpreter_class() -> tuple:
    """The interpreter of the installed package, and its name with the version."""
    try:
        import ai_edge_litert
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, f"ai-edge-litert {getattr(ai_edge_litert, '__version__', '')}".strip()
    except ImportError:
        pass
    try:
        # The older name of the same engine, the one with wheels for JetPack 5's Python 3.8.
        import tflite_runtime
        from tflite_runtime.interpreter import Interpreter

        return Interpreter, f"tflite-runtime {tflite_runtime.__version__}"
    except ImportError:
        raise InputError(
            "the engine for .tflite artifacts is not installed: pip install ai-edge-litert "
            "(Python 3.8: tflite-runtime)"
        ) from None
