"""One way to run an artifact, whatever its engine.

    runner = open_runner("static_w8a8.tflite", threads=2)
    # float32 in and out, whatever the artifact holds
    logits = runner.run({"rgb": ..., "depth": ...})
    # the engine's own types in and out
    codes = runner.run_raw({"rgb": ..., "depth": ...})

Arrays are (1, h, w, c) on both sides; a runner of a channels-first engine turns them itself.
"""

from __future__ import annotations

import abc
import importlib
from pathlib import Path

import numpy as np

from .errors import InputError
from .files import PathLike
from .manifest import Manifest, load
from .postprocess import dequantize
from .preprocess import quantize
from .tensors import TensorSpec

# Target of the manifest -> its engines, the usual one first, each with module, class and further
# arguments; imported when asked for, so that a board needs one engine only.
ENGINES = {
    "tflite": {"litert": ("litert_runner", "LiteRTRunner", {})},
    "onnx": {
        "ort": ("ort_runner", "OrtRunner", {}),
        "ort-cuda": ("ort_runner", "OrtRunner", {"provider": "CUDAExecutionProvider"}),
        "ort-tensorrt": ("ort_runner", "OrtRunner", {"provider": "TensorrtExecutionProvider"}),
        "tensorrt": ("trt_runner", "TensorRTRunner", {}),
        "tensorrt-rtx": ("trt_runner", "RtxRunner", {}),
    },
}


PHASES = ("pre", "infer", "post")
"""What is timed of a frame: preprocessing, inference, and what is made of its outputs."""


class Runner(abc.ABC):
    """An opened artifact; each engine has a subclass that fills in `_invoke`.

    Attributes:
        manifest: of the artifact.
        path: of the artifact.
        inputs, outputs: tensor specifications by name.
        engine: name and version of what runs it.
    """

    engine = ""

    def __init__(self, path: PathLike, manifest: Manifest):
        self.path = Path(path)
        self.manifest = manifest

    @property
    def inputs(self) -> dict[str, TensorSpec]:
        """The inputs by name."""
        return self.manifest.inputs

    @property
    def outputs(self) -> dict[str, TensorSpec]:
        """The outputs by name."""
        return self.manifest.outputs

    def close(self) -> None:  # noqa: B027 - an engine may have nothing to free
        """Frees what the engine holds; the runner is not to be used after."""

    def run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs on real values or on codes.

        Args:
            arrays: (1, h, w, c) by input name. Float arrays are normalised values and are quantised
                here where the artifact wants codes; arrays of the input's own type go through as
                they are.

        Returns:
            float32 (1, h', w', classes) by output name.

        Raises:
            InputError: names, shapes or types do not fit the inputs.
        """
        coded = {}
        for name, array in arrays.items():
            spec = self.inputs.get(name)
            if spec is not None and spec.quantization is not None and array.dtype.kind == "f":
                array = quantize(array, spec.quantization, spec.dtype)
            coded[name] = array
        return {
            name: dequantize(codes, self.outputs[name])
            for name, codes in self.run_raw(coded).items()
        }

    def run_raw(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs on arrays of the inputs' own types.

        Args:
            arrays: (1, h, w, c) by input name.

        Returns:
            (1, h', w', classes) by output name, in the outputs' own types.

        Raises:
            InputError: names, shapes or types do not fit the inputs, or the engine fails.
        """
        if set(arrays) != set(self.inputs):
            raise InputError(
                f"{self.path}: given {', '.join(sorted(arrays))}, wanted "
                f"{', '.join(sorted(self.inputs))}"
            )
        feeds = {name: self._feed(array, self.inputs[name]) for name, array in arrays.items()}
        try:
            results = self._invoke(feeds)
        except Exception as error:  # each engine has errors of its own
            raise InputError(
                f"{self.path}: {self.engine} fails to run it ({type(error).__name__}: {error}); try another --engine, "
                "or export it again"
            ) from error
        return {
            name: np.transpose(array, (0, 2, 3, 1))
            if self.outputs[name].layout == "NCHW"
            else array
            for name, array in results.items()
        }

    def _feed(self, array: np.ndarray, spec: TensorSpec) -> np.ndarray:
        wanted = (1,) + spec.hwc
        if array.shape != wanted or array.dtype != np.dtype(spec.dtype):
            raise InputError(
                f"{self.path}: {spec.name!r} is {array.dtype} {array.shape}, wanted {spec.dtype} "
                f"{wanted}"
            )
        if spec.layout == "NCHW":
            array = np.transpose(array, (0, 3, 1, 2))
        return np.ascontiguousarray(array)

    @abc.abstractmethod
    def _invoke(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the engine on its own layouts and types, by name on both sides."""

    def _check_tensor(self, spec: TensorSpec, shape: tuple, dtype: np.dtype) -> None:
        """Holds what the engine reports of a tensor against the manifest."""
        if tuple(shape) != spec.shape or np.dtype(dtype) != np.dtype(spec.dtype):
            raise InputError(
                f"{self.path}: the engine has {spec.name!r} as {np.dtype(dtype)} {tuple(shape)}, "
                f"the manifest as {spec.dtype} {spec.shape}; export the artifact again"
            )


def open_runner(
    artifact: PathLike, threads: int | None = None, engine: str | None = None
) -> Runner:
    """Opens an artifact with an engine of the target that its manifest names.

    Args:
        artifact: the `.tflite` or `.onnx` file; its manifest lies beside it.
        threads: of the engine; None = as the engine likes.
        engine: one of the target's in `ENGINES`; None = the first of them.

    Raises:
        InputError: artifact or manifest does not hold (see `manifest.load`), the engine is not
            installed, or this program has no runner for the target.
    """
    manifest = load(artifact)
    if manifest.target not in ENGINES:
        raise InputError(
            f"{artifact}: made for {manifest.target!r}; this program runs "
            f"{', '.join(sorted(ENGINES))}"
        )
    engines = ENGINES[manifest.target]
    engine = engine or next(iter(engines))
    if engine not in engines:
        raise InputError(
            f"{artifact}: engine {engine!r} does not run {manifest.target} artifacts; choose one "
            f"of {', '.join(engines)}"
        )
    module, name, options = engines[engine]
    runner = getattr(importlib.import_module("." + module, __package__), name)
    return runner(artifact, manifest, threads, **options)
