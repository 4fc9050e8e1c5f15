"""Doubles of TensorRT's Python API as of 8.5, 10.3 and 11, and of the CUDA libraries.

They have what each version's reference lists of the parts that a builder and a runner touch, refuse
everything else (the calls by index too, which 8.5 still had), and keep the rules that make a build
fail. An "engine" is the ONNX file with a word before it, run by ONNX Runtime on the "device"
memory, which is the host's.
"""

import ctypes
from types import SimpleNamespace

import numpy as np
import onnxruntime

_FLAGS = {
    "8.5": ({"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1}, ("FP16", "INT8", "TF32"), False),
    "10.3": ({"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}, ("FP16", "INT8", "TF32"), True),
    "11.0": ({"STRONGLY_TYPED": 1, "PREFER_AOT_PYTHON_PLUGINS": 2}, ("TF32",), True),
}
_WORD = b"ENGINE"
# What a stream records while it is captured, by handle; it is not done until the graph is launched.
_RECORDED = {}


def _do_or_record(stream, work):
    if stream in _RECORDED:
        _RECORDED[stream].append(work)
    else:
        work()


class Members:
    """An enumeration with some members and no others."""

    def __init__(self, **members):
        self.__dict__.update(members)


def tensorrt(version, refuses=(), accepts_addresses=True):
    """The module of a version; `calls` on it records what was called.

    `refuses`: names of steps that fail as TensorRT fails them: "parse", "build", "load", "run", and
    "record": what an engine does that no graph can hold.
    """
    network_flags, builder_flags, has_effort = _FLAGS[version]
    calls = []

    class Config:
        __slots__ = ("flags", "_timing") + (("builder_optimization_level",) if has_effort else ())

        def __init__(self):
            self.flags = set()
            self._timing = None

        def create_timing_cache(self, content):
            assert isinstance(content, bytes)
            calls.append(("timing", content))
            return None if content == b"damaged" else content

        def set_timing_cache(self, cache, ignore_mismatch):
            assert not ignore_mismatch and isinstance(cache, bytes)
            self._timing = cache

        def get_timing_cache(self):
            times = self._timing + b"t"
            return SimpleNamespace(serialize=lambda: memoryview(times))

        def set_memory_pool_limit(self, pool, size):
            calls.append(("workspace", pool, size))

        def set_flag(self, flag):
            self.flags.add(flag)

    class Builder:
        def __init__(self, logger):
            assert isinstance(logger, Logger)

        def create_network(self, flags):
            assert not flags & ~sum(1 << n for n in network_flags.values()), "unknown flag"
            if version == "8.5":
                assert flags & 1, "the parser wants an explicit batch"
            calls.append(("network", flags))
            return SimpleNamespace(flags=flags, content=None)

        def create_builder_config(self):
            return Config()

        def build_serialized_network(self, network, config):
            typed = version != "8.5" and network.flags & 2
            assert not (typed and config.flags), "precision flags on a strongly typed network"
            effort = getattr(config, "builder_optimization_level", None)
            calls.append(("build", sorted(config.flags), effort))
            return None if "build" in refuses else memoryview(_WORD + network.content)

    class OnnxParser:
        num_errors = 1

        def __init__(self, network, logger):
            self._network = network

        def parse(self, content):
            self._network.content = content
            return "parse" not in refuses

        def get_error(self, index):
            assert index == 0
            return SimpleNamespace(desc=lambda: "node Odd_1: no importer registered")

    class Logger:
        WARNING = "warning"

        def __init__(self, severity):
            assert severity == self.WARNING

        def log(self, severity, message):
            calls.append(("log", severity, message))

    class Runtime:
        def __init__(self, logger):
            assert isinstance(logger, Logger)

        def deserialize_cuda_engine(self, content):
            assert isinstance(content, bytes)
            whole = content.startswith(_WORD) and "load" not in refuses
            return Engine(content[len(_WORD) :]) if whole else None

    class Engine:
        def __init__(self, content):
            self._session = onnxruntime.InferenceSession(content)
            # An order of its own, as engines have.
            self._tensors = [
                (tensor, mode)
                for tensors, mode in (
                    (self._session.get_outputs(), "output"),
                    (self._session.get_inputs(), "input"),
                )
                for tensor in tensors
            ]
            self._by_name = {tensor.name: (tensor, mode) for tensor, mode in self._tensors}

        @property
        def num_io_tensors(self):
            return len(self._tensors)

        def get_tensor_name(self, index):
            return self._tensors[index][0].name

        def get_tensor_mode(self, name):
            return self._by_name[name][1]

        def get_tensor_shape(self, name):
            return tuple(self._by_name[name][0].shape)

        def get_tensor_dtype(self, name):
            kinds = {"tensor(float)": "FLOAT", "tensor(float16)": "HALF"}
            return SimpleNamespace(name=kinds[self._by_name[name][0].type])

        def create_execution_context(self):
            return Context(self._session)

    class Context:
        def __init__(self, session):
            self._session, self._addresses = session, {}

        def set_tensor_address(self, name, address):
            assert isinstance(address, int) and address
            self._addresses[name] = address
            return accepts_addresses

        def execute_async_v3(self, stream_handle):
            assert isinstance(stream_handle, int) and stream_handle
            calls.append("enqueue")
            if "record" in refuses and stream_handle in _RECORDED:
                return False
            _do_or_record(stream_handle, self._run)
            return "run" not in refuses

        def _run(self):
            fed = {}
            for tensor in self._session.get_inputs():
                size = 4 * int(np.prod(tensor.shape))
                raw = ctypes.string_at(self._addresses[tensor.name], size)
                fed[tensor.name] = np.frombuffer(raw, "float32").reshape(tensor.shape)
            for tensor, value in zip(
                self._session.get_outputs(), self._session.run(None, fed), strict=True
            ):
                ctypes.memmove(self._addresses[tensor.name], value.tobytes(), value.nbytes)

    return Members(
        __version__=version + ".0",
        calls=calls,
        Builder=Builder,
        BuilderFlag=Members(**{name: name for name in builder_flags}),
        Logger=Logger,
        MemoryPoolType=Members(WORKSPACE="workspace"),
        NetworkDefinitionCreationFlag=Members(**network_flags),
        OnnxParser=OnnxParser,
        Runtime=Runtime,
        TensorIOMode=Members(NONE="none", INPUT="input", OUTPUT="output"),
    )


class CudaRuntime:
    """libcudart with the calls that are used; `alive` holds what was not given back."""

    def __init__(self, failing=""):
        self.alive = {}
        self._failing = failing

    def cudaMalloc(self, pointer, size):
        if self._failing == "cudaMalloc":
            return 2
        buffer = ctypes.create_string_buffer(size.value)
        pointer._obj.value = ctypes.addressof(buffer)
        self.alive[pointer._obj.value] = buffer
        return 0

    def cudaFree(self, pointer):
        del self.alive[pointer.value]
        return 0

    def cudaStreamCreate(self, stream):
        stream._obj.value = 7
        self.alive["stream"] = 7
        return 0

    def cudaStreamDestroy(self, stream):
        assert stream.value == self.alive.pop("stream")
        return 0

    def cudaStreamSynchronize(self, stream):
        assert stream.value == self.alive["stream"]
        return 0

    def cudaMemcpyAsync(self, target, source, size, kind, stream):
        device, host = (target, source) if kind == 1 else (source, target)
        assert kind in (1, 2) and stream.value == self.alive["stream"]
        assert len(self.alive[device.value]) == size.value
        assert len(self.alive[host.value]) == size.value, "host memory that is not pinned"
        addresses = target.value, source.value
        _do_or_record(stream.value, lambda: ctypes.memmove(*addresses, size.value))
        return 0

    def cudaMallocHost(self, pointer, size):
        return self.cudaMalloc(pointer, size)

    def cudaFreeHost(self, pointer):
        return self.cudaFree(pointer)

    def cudaStreamBeginCapture(self, stream, mode):
        if self._failing == "capture":
            return 900
        assert mode == 1 and stream.value not in _RECORDED
        _RECORDED[stream.value] = []
        return 0

    def cudaStreamEndCapture(self, stream, graph):
        self._work = _RECORDED.pop(stream.value)
        graph._obj.value = 21
        self.alive["graph"] = 21
        return 0

    def cudaGraphInstantiateWithFlags(self, ready, graph, flags):
        assert graph.value == self.alive["graph"] and flags.value == 0
        if self._failing == "instantiate":
            return 901
        ready._obj.value = 22
        self.alive["ready"] = 22
        return 0

    def cudaGraphDestroy(self, graph):
        assert graph.value == self.alive.pop("graph")
        return 0

    def cudaGraphLaunch(self, ready, stream):
        assert ready.value == self.alive["ready"] and stream.value == self.alive["stream"]
        for work in self._work:
            work()
        return 0

    def cudaGraphExecDestroy(self, ready):
        assert ready.value == self.alive.pop("ready")
        return 0


class CudaDriver:
    """libcuda of an Orin."""

    def cuInit(self, flags):
        return 0 if flags == 0 else 1

    def cuDeviceGet(self, device, ordinal):
        device._obj.value = ordinal
        return 0

    def cuDeviceGetName(self, name, length, device):
        name.value = b"Orin (nvgpu)"[:length]
        return 0

    def cuDeviceGetAttribute(self, value, key, device):
        value._obj.value = {75: 8, 76: 7, 16: 16}[key]
        return 0
