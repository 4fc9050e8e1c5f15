"""Runs .onnx artifacts with ONNX Runtime."""

from __future__ import annotations

import numpy as np

from .errors import InputError
from .files import PathLike
from .manifest import Manifest
from .runner import Runner

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(int16)": "int16",
}
# Best first; those that the installed package lacks are passed over.
PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")


class OrtRunner(Runner):
    """An .onnx artifact in an ONNX Runtime session.

    Args:
        path: the `.onnx` file.
        manifest: of the file.
        threads: of operators on the CPU; None = all cores.
        provider: one of PROVIDERS; None = CPU.

    Raises:
        InputError: onnxruntime or the provider is not installed, the file is no model, or its
            tensors are not what the manifest says.
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
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        provider = provider or PROVIDERS[-1]
        if provider not in onnxruntime.get_available_providers():
            raise InputError(
                f"onnxruntime here has no {provider}, only "
                f"{', '.join(onnxruntime.get_available_providers())}; install the onnxruntime "
                "build of your JetPack"
            )
        options = onnxruntime.SessionOptions()
        if threads:
            options.intra_op_num_threads = threads
        try:
            # What the chosen provider does not take runs on the CPU.
            providers = [p for p in PROVIDERS if p in (provider, PROVIDERS[-1])]
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise InputError(
                f"{path}: {self.engine} cannot load it ({str(error).splitlines()[0]})"
            ) from error
        for side, tensors in (
            (self.inputs, self._session.get_inputs()),
            (self.outputs, self._session.get_outputs()),
        ):
            found = {tensor.name: tensor for tensor in tensors}
            if set(found) != set(side):
                raise InputError(
                    f"{path}: the file has {', '.join(sorted(found))}, the manifest "
                    f"{', '.join(sorted(side))}; export the artifact again"
                )
            for name, spec in side.items():
                dtype = _DTYPES.get(found[name].type, "object")
                self._check_tensor(spec, found[name].shape, np.dtype(dtype))

    def _invoke(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = list(self.outputs)
        values = self._session.run(names, feeds)
        return {name: values[index] for index, name in enumerate(names)}
