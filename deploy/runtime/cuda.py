"""The few CUDA calls that a TensorRT runner needs, by ctypes.

The packages that wrap CUDA for Python changed their names between CUDA 11, 12 and 13, and JetPack
brings none of them. The few functions of the C library used here have been the same all along.

Not run on hardware by the authors: tested against a recorded double of the library only.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Callable, Sequence

import numpy as np

from .errors import InputError

_RUNTIMES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
_DRIVERS = ("libcuda.so.1", "libcuda.so")
_FOLDERS = ("", "/usr/local/cuda/lib64/")
TO_DEVICE, TO_HOST = 1, 2
# CUdevice_attribute of the driver.
_MULTIPROCESSORS, _MAJOR, _MINOR = 16, 75, 76
_THREAD_LOCAL = 1  # cudaStreamCaptureMode: other threads may use CUDA meanwhile


class Cuda:
    """The first GPU.

    Args:
        runtime: a loaded libcudart; None = the system's.
        driver: a loaded libcuda; None = the system's.

    Raises:
        InputError: there is no CUDA on this machine.
    """

    def __init__(self, runtime: Any = None, driver: Any = None):
        self._runtime = runtime or _load(_RUNTIMES, "the CUDA runtime")
        self._driver = driver or _load(_DRIVERS, "the NVIDIA driver")

    def device_tag(self) -> str:
        """The GPU as a part of a file's name: name, architecture, number of multiprocessors.

        An engine fits the GPU it was built on; boards of one family bear one name and differ in
        the last number.
        """
        device = self._device()
        name = ctypes.create_string_buffer(128)
        self._check("cuDeviceGetName", self._driver.cuDeviceGetName(name, len(name), device))
        numbers = [self._attribute(key, device) for key in (_MAJOR, _MINOR, _MULTIPROCESSORS)]
        plain = re.sub("[^a-z0-9]+", "-", name.value.decode("ascii", "replace").lower())
        return "{}-sm{}{}-{}".format(plain.strip("-"), *numbers)

    def capability(self) -> tuple[int, int]:
        """Major and minor compute capability of the GPU."""
        device = self._device()
        return self._attribute(_MAJOR, device), self._attribute(_MINOR, device)

    def allocate(self, size: int) -> int:
        """Device memory of `size` bytes; gives its address."""
        pointer = ctypes.c_void_p()
        status = self._runtime.cudaMalloc(ctypes.byref(pointer), ctypes.c_size_t(size))
        self._check("cudaMalloc", status)
        return int(pointer.value or 0)

    def free(self, address: int) -> None:
        """Gives device memory back."""
        self._runtime.cudaFree(ctypes.c_void_p(address))

    def pinned(self, shape: Sequence[int], dtype: str) -> np.ndarray:
        """Host memory that stays where it is, so that copies need no detour; not initialised.

        It is given back by `free_pinned`, not with the array.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pointer = ctypes.c_void_p()
        status = self._runtime.cudaMallocHost(ctypes.byref(pointer), ctypes.c_size_t(size))
        self._check("cudaMallocHost", status)
        buffer = (ctypes.c_char * size).from_address(int(pointer.value or 0))
        return np.frombuffer(buffer, dtype).reshape(shape)

    def free_pinned(self, array: np.ndarray) -> None:
        """Gives an array of `pinned` back; it must not be used any more."""
        self._runtime.cudaFreeHost(ctypes.c_void_p(array.ctypes.data))

    def capture(self, stream: int, work: Callable[[], bool]) -> int:
        """Records what is put into a stream as a graph, which starts in one call.

        Args:
            stream: its handle; nothing else is put into it meanwhile.
            work: puts it in, and says whether it could.

        Returns:
            The graph's handle; 0 where this work, or this CUDA, does not allow it.
        """
        runtime, handle = self._runtime, ctypes.c_void_p(stream)
        graph, ready = ctypes.c_void_p(), ctypes.c_void_p()
        try:
            if runtime.cudaStreamBeginCapture(handle, _THREAD_LOCAL):
                return 0
            try:
                done = work()
            except InputError:
                done = False
            if runtime.cudaStreamEndCapture(handle, ctypes.byref(graph)) or not graph.value:
                return 0
            if done and runtime.cudaGraphInstantiateWithFlags(
                ctypes.byref(ready), graph, ctypes.c_ulonglong(0)
            ):
                done = False
            runtime.cudaGraphDestroy(graph)
        except AttributeError:  # a library of before CUDA 11.4
            return 0
        return int(ready.value or 0) if done else 0

    def launch(self, graph: int, stream: int) -> None:
        """Puts a graph into a stream."""
        status = self._runtime.cudaGraphLaunch(ctypes.c_void_p(graph), ctypes.c_void_p(stream))
        self._check("cudaGraphLaunch", status)

    def destroy_graph(self, graph: int) -> None:
        """Gives a graph back."""
        self._runtime.cudaGraphExecDestroy(ctypes.c_void_p(graph))

    def create_stream(self) -> int:
        """A stream's handle."""
        stream = ctypes.c_void_p()
        self._check("cudaStreamCreate", self._runtime.cudaStreamCreate(ctypes.byref(stream)))
        return int(stream.value or 0)

    def destroy_stream(self, stream: int) -> None:
        """Gives a stream back."""
        self._runtime.cudaStreamDestroy(ctypes.c_void_p(stream))

    def synchronize(self, stream: int) -> None:
        """Waits until all that was put into a stream is done."""
        status = self._runtime.cudaStreamSynchronize(ctypes.c_void_p(stream))
        self._check("cudaStreamSynchronize", status)

    def copy(self, address: int, array: np.ndarray, direction: int, stream: int) -> None:
        """Puts a copy into a stream.

        Args:
            address: device memory of `array.nbytes`.
            array: contiguous; it must live until the stream is synchronised.
            direction: TO_DEVICE or TO_HOST.
            stream: its handle.
        """
        device, host = ctypes.c_void_p(address), ctypes.c_void_p(array.ctypes.data)
        target, source = (device, host) if direction == TO_DEVICE else (host, device)
        status = self._runtime.cudaMemcpyAsync(
            target, source, ctypes.c_size_t(array.nbytes), direction, ctypes.c_void_p(stream)
        )
        self._check("cudaMemcpyAsync", status)

    def _device(self) -> Any:
        device = ctypes.c_int()
        self._check("cuInit", self._driver.cuInit(0))
        self._check("cuDeviceGet", self._driver.cuDeviceGet(ctypes.byref(device), 0))
        return device

    def _attribute(self, key: int, device: Any) -> int:
        value = ctypes.c_int()
        status = self._driver.cuDeviceGetAttribute(ctypes.byref(value), key, device)
        self._check("cuDeviceGetAttribute", status)
        return value.value

    @staticmethod
    def _check(call: str, status: int) -> None:
        if status != 0:
            raise InputError(
                f"{call} failed with CUDA error {status}; is the GPU free, with enough memory left?"
            )


def _load(names: Sequence[str], what: str) -> Any:
    for folder in _FOLDERS:
        for name in names:
            try:
                return ctypes.CDLL(folder + name)
            except OSError:
                continue
    raise InputError(f"{what} is not on this machine ({names[0]}); TensorRT runs on NVIDIA boards")
