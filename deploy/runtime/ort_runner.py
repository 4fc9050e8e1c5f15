"""Runs .onnx artifacts with ONNX Runtime: on the CPU, with CUDA, or through TensorRT.

The wheels on PyPI for a Jetson's processor have the CPU alone; a build for the JetPack at hand has
the other two. The TensorRT provider builds an engine at the first run (minutes) and keeps it in
`NAME.onnx.HASH.ort_cache` beside the artifact, under names that hold the TensorRT version and the GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError
from .files import PathLike, beside
from .manifest import Manifest
from .runner import Runner

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
    "tensor(int32)": "int32",
}
CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
# What a provider does not take goes to the next in its row.
CHAINS = {CPU: (CPU,), CUDA: (CUDA, CPU), TENSORRT: (TENSORRT, CUDA, CPU)}
# Bytes; a Jetson shares its memory with the desktop, and TensorRT would take all of it.
WORKSPACE = 1 << 30


class OrtRunner(Runner):
    """An .onnx artifact in an ONNX Runtime session.

    Args:
        path: the `.onnx` file.
        manifest: of the file.
        threads: of operators on the CPU; None = all cores.
        provider: a key of CHAINS; None = CPU.

    Raises:
        InputError: onnxruntime or the provider is not installed or cannot start, the file is no
            model, or its tensors are not what the manifest says.
    """

    def __init__(
        self,
        path: PathLike,
        manifest: Manifest,
        threads: int | None = None,
        provider: str | None = None,
    ):
        super().__init__(path, manifest)
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                "the engine for .onnx artifacts is not installed: pip install onnxruntime"
            ) from None
        provider = provider or CPU
        self.engine = (
            f"onnxruntime {onnxruntime.__version__} {provider[: -len('ExecutionProvider')]}"
        )
        available = onnxruntime.get_available_providers()
        if provider not in available:
            raise InputError(
                f"onnxruntime here has no {provider}, only {', '.join(available)}; install the "
                "onnxruntime build of your JetPack"
            )
        options = onnxruntime.SessionOptions()
        if threads:
            options.intra_op_num_threads = threads
        chain = [
            (name, provider_options(name, Path(path), manifest))
            for name in CHAINS[provider]
            if name in available
        ]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=chain)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise InputError(
                f"{path}: {self.engine} cannot load it ({str(error).splitlines()[0]})"
            ) from error
        # A provider whose libraries are missing is dropped without an error, and everything would
        # run on the CPU under another name.
        if provider not in self._session.get_providers():
            raise InputError(
                f"{path}: onnxruntime could not start {provider} (its CUDA or TensorRT libraries "
                "are missing or of another version); install them, or use the engine 'ort'"
            )
        for side, tensors in (
            (self.inputs, self._session.get_inputs()),
            (self.outputs, self._session.get_outputs()),
        ):
            found = {tensor.name: tensor for tensor in tensors}
            wanted = {spec.tensor_name for spec in side.values()}
            if set(found) != wanted:
                raise InputError(
                    f"{path}: the file has {', '.join(sorted(found))}, the manifest "
                    f"{', '.join(sorted(wanted))}; export the artifact again"
                )
            for spec in side.values():
                tensor = found[spec.tensor_name]
                dtype = _DTYPES.get(tensor.type, "object")
                self._check_tensor(spec, tensor.shape, np.dtype(dtype))

    def close(self) -> None:
        """Frees the session."""
        del self._session

    def _invoke(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        named = {self.inputs[name].tensor_name: array for name, array in feeds.items()}
        values = self._session.run([spec.tensor_name for spec in self.outputs.values()], named)
        return dict(zip(self.outputs, values))  # noqa: B905 - Python 3.8 has no strict=


def provider_options(provider: str, artifact: Path, manifest: Manifest) -> dict[str, Any]:
    """The options of one provider.

    Args:
        provider: its name.
        artifact: the `.onnx` file; TensorRT's cache lies beside it, in a folder for these very bytes:
            the provider knows an engine by the graph's names, not by its weights, and would run
            that of an earlier export.
        manifest: of the artifact. An 8-bit scheme needs 16-bit floats allowed too, or everything
            that is not 8-bit runs in 32 bits, the commonest cause of "int8 is slower than fp16".

    Returns:
        Option name -> value; empty for a provider that needs none.
    """
    if provider != TENSORRT:
        return {}
    scheme = manifest.scheme
    cache = str(beside(artifact, f".{manifest.file_sha256[:12]}.ort_cache"))
    return {
        "device_id": 0,
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": cache,
        "trt_timing_cache_enable": True,
        "trt_timing_cache_path": cache,
        "trt_fp16_enable": scheme != "fp32",
        "trt_int8_enable": "w8a8" in scheme,
        "trt_max_workspace_size": WORKSPACE,
        "trt_builder_optimization_level": 3,
        "trt_min_subgraph_size": 5,
        "trt_dla_enable": False,
    }
