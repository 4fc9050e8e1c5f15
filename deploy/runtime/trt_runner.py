"""Runs .onnx artifacts as engines of TensorRT, through the calls that are the same from 8.5 to 11, or of
TensorRT for RTX, which has them too.

Tensors are addressed by name (`set_tensor_address`, `execute_async_v3`); the older calls by index
are gone in TensorRT 10. TensorRT's engine must have been built on this board, that of TensorRT for RTX
anywhere: `python -m deploy engine`.

Host memory is pinned and a run is one recorded CUDA graph (copies in, engine, copies out), where engine and
CUDA allow it: on a board starting each piece takes as long as a small network.

Not run on hardware by the authors: tested against recorded doubles of the API of 8.5, 10.3 and 11,
which refuse any call that the version does not have.
"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import numpy as np

from .cuda import TO_DEVICE, TO_HOST, Cuda
from .errors import InputError
from .files import PathLike
from .manifest import Manifest
from .runner import Runner
from .trt_engine import board_engines, load_tensorrt, load_tensorrt_rtx, rtx_engines, version_of

# By name: `tensorrt.nptype` of 8.5 needs a name that numpy has dropped.
_DTYPES = {"FLOAT": "float32", "HALF": "float16", "INT8": "int8", "INT32": "int32"}


class TensorRTRunner(Runner):
    """An .onnx artifact whose engine was built on this board.

    Args:
        path: the `.onnx` file; the engine lies beside it.
        manifest: of the file.
        threads: not used; the GPU does the work.
        tensorrt: a stand-in for the module; None = the real one.
        cuda: a stand-in for `Cuda`; None = the real one.

    Raises:
        InputError: TensorRT or CUDA is not there, no engine was built for this board, or it does
            not load or does not fit the manifest.
    """

    _name = "TensorRT"

    def __init__(
        self,
        path: PathLike,
        manifest: Manifest,
        threads: int | None = None,
        tensorrt: Any = None,
        cuda: Any = None,
    ):
        super().__init__(path, manifest)
        trt = tensorrt or self._library()
        self.engine = f"{self._name} {trt.__version__}"
        self._cuda = cuda or Cuda()
        file = self._file(trt)
        # Both must outlive the engine.
        self._logger = trt.Logger(trt.Logger.WARNING)
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(file.read_bytes())
        if self._engine is None:
            raise InputError(f"{file}: TensorRT cannot load it; delete it and build it again")
        self._check_engine(trt)
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise InputError(f"{file}: not enough GPU memory to run it; close other programs")
        self._stream = self._cuda.create_stream()
        self._addresses: dict[str, int] = {}
        # What is copied to and from the GPU, by the tensors' names in the file.
        self._pinned: dict[str, np.ndarray] = {}
        # The recorded work once there is one: see `_invoke`.
        self._graphs: list[int] = []
        self._may_record = True
        # Also when the constructor fails halfway, or the runner is simply forgotten.
        self._finalizer = weakref.finalize(
            self, _release, self._cuda, self._addresses, self._pinned, self._graphs, self._stream
        )
        for spec in (*self.inputs.values(), *self.outputs.values()):
            size = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
            address = self._cuda.allocate(size)
            self._addresses[spec.tensor_name] = address
            self._pinned[spec.tensor_name] = self._cuda.pinned(spec.shape, spec.dtype)
            if not self._context.set_tensor_address(spec.tensor_name, address):
                raise InputError(f"{file}: TensorRT refuses an address for {spec.tensor_name!r}")

    def close(self) -> None:
        """Gives the GPU's memory back; the runner cannot be used any more."""
        self._finalizer()

    @staticmethod
    def _library() -> Any:
        return load_tensorrt()

    def _file(self, trt: Any) -> Path:
        """The engine of this board; of several the one that was built last."""
        version_of(trt)
        tag = self._cuda.device_tag()
        files = board_engines(self.path, tag, trt.__version__, self.manifest.file_sha256)
        if not files:
            raise InputError(
                f"{self.path}: no engine for {tag} and TensorRT {trt.__version__} beside it; build it "
                f"here, once: python3 -m deploy engine {self.path}"
            )
        return files[0]

    def _check_engine(self, trt: Any) -> None:
        """Holds the engine's tensors against the manifest."""
        found: dict[Any, dict[str, tuple]] = {}
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            kind = self._engine.get_tensor_dtype(name).name
            shape = tuple(self._engine.get_tensor_shape(name))
            tensors = found.setdefault(self._engine.get_tensor_mode(name), {})
            tensors[name] = (shape, _DTYPES.get(kind, "object"))
        for mode, side in (
            (trt.TensorIOMode.INPUT, self.inputs),
            (trt.TensorIOMode.OUTPUT, self.outputs),
        ):
            tensors = found.get(mode, {})
            wanted = {spec.tensor_name for spec in side.values()}
            if set(tensors) != wanted:
                raise InputError(
                    f"{self.path}: the engine has {', '.join(sorted(tensors))}, the manifest "
                    f"{', '.join(sorted(wanted))}; build the engine again"
                )
            for spec in side.values():
                shape, dtype = tensors[spec.tensor_name]
                self._check_tensor(spec, shape, np.dtype(dtype))

    def _invoke(self, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, array in feeds.items():
            np.copyto(self._pinned[self.inputs[name].tensor_name], array)
        if self._graphs:
            self._cuda.launch(self._graphs[0], self._stream)
        elif not self._enqueue():
            raise RuntimeError("TensorRT could not run the engine; see its log above")
        self._cuda.synchronize(self._stream)
        # Copies: the next run writes into the same memory.
        results = {
            name: np.array(self._pinned[spec.tensor_name]) for name, spec in self.outputs.items()
        }
        if self._may_record:
            # After a run, in which an engine prepares what may not be recorded.
            self._may_record = False
            graph = self._cuda.capture(self._stream, self._enqueue)
            self._graphs += [graph] if graph else []
        return results

    def _enqueue(self) -> bool:
        """Puts copies and engine into the stream; False where the engine does not run."""
        for spec in self.inputs.values():
            address, array = self._addresses[spec.tensor_name], self._pinned[spec.tensor_name]
            self._cuda.copy(address, array, TO_DEVICE, self._stream)
        if not self._context.execute_async_v3(self._stream):
            return False
        for spec in self.outputs.values():
            address, array = self._addresses[spec.tensor_name], self._pinned[spec.tensor_name]
            self._cuda.copy(address, array, TO_HOST, self._stream)
        return True


class RtxRunner(TensorRTRunner):
    """An .onnx artifact whose engine TensorRT for RTX built ahead of time, for this GPU among others."""

    _name = "TensorRT for RTX"

    @staticmethod
    def _library() -> Any:
        return load_tensorrt_rtx()

    def _file(self, trt: Any) -> Path:
        """An engine for this GPU's compute capability."""
        major, minor = self._cuda.capability()
        engines = rtx_engines(self.path, trt.__version__, self.manifest.file_sha256)
        for file, tags in engines.items():
            if f"sm{major}{minor}" in tags:
                return file
        built = sorted({tag for tags in engines.values() for tag in tags})
        raise InputError(
            f"{self.path}: this GPU is of compute capability {major}.{minor}; engines of TensorRT for "
            f"RTX {trt.__version__} beside it are for {', '.join(built) or 'none'}; build one, "
            f"anywhere: python -m deploy engine {self.path} --target tensorrt-rtx "
            f"--compute-capability {major}.{minor}"
        )


def _release(
    cuda: Any,
    addresses: dict[str, int],
    pinned: dict[str, np.ndarray],
    graphs: list[int],
    stream: int,
) -> None:
    for graph in graphs:
        cuda.destroy_graph(graph)
    for address in addresses.values():
        cuda.free(address)
    for array in pinned.values():
        cuda.free_pinned(array)
    for holder in (graphs, addresses, pinned):
        holder.clear()
    cuda.destroy_stream(stream)
