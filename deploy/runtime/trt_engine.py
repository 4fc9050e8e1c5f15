"""What the builder and the runner of TensorRT engines share: the library, and an engine's name.

An engine fits one GPU and one version of TensorRT. Its file therefore lies beside the artifact
under a name that holds both, how it was built, and the checksum of what it was built from:

    static_w8a8.orin-sm87-16.trt10.3.0.int8-fp16-effort3.1f0c5e6b7a89.engine

One of TensorRT for RTX fits every GPU of the compute capabilities that it was built for:

    static_w8a8.rtx-sm86-sm89.trt1.7.1.116.1f0c5e6b7a89.engine
"""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any, Sequence

from .errors import InputError
from .files import PathLike


def load_tensorrt() -> Any:
    """The TensorRT module.

    Raises:
        InputError: it is not installed.
    """
    try:
        import tensorrt
    except ImportError:
        raise InputError(
            "TensorRT is not installed for this Python. It comes with JetPack, for the system's "
            "python3 (apt install python3-libnvinfer), not from PyPI; or run the artifact with "
            "the engine 'ort'"
        ) from None
    return tensorrt


def load_tensorrt_rtx() -> Any:
    """The module of TensorRT for RTX.

    Raises:
        InputError: it is not installed.
    """
    try:
        import tensorrt_rtx_bindings
    except ImportError:
        raise InputError(
            "TensorRT for RTX is not installed for this Python: pip install "
            "'cen-keras[tensorrt-rtx]', on Linux with an x86 processor"
        ) from None
    return tensorrt_rtx_bindings


def capability_tag(capability: str) -> str:
    """A compute capability as a part of a file's name: "8.6" becomes "sm86"."""
    return "sm" + capability.replace(".", "")


def version_of(tensorrt: Any) -> tuple[int, int]:
    """Major and minor version.

    Raises:
        InputError: older than 8.5, the first with the calls that the runner uses.
    """
    found = re.match(r"(\d+)\.(\d+)", str(tensorrt.__version__))
    version = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if version < (8, 5):
        raise InputError(
            f"TensorRT here is {tensorrt.__version__}, wanted 8.5 or later (JetPack 5.1)"
        )
    return version


def engine_path(
    artifact: PathLike, device_tag: str, version: str, sha256: str, settings: str = ""
) -> Path:
    """Where the engine of an artifact lies.

    Args:
        artifact: the `.onnx` file.
        device_tag: of `Cuda.device_tag`.
        version: of TensorRT, in full.
        sha256: of the artifact.
        settings: `EngineSettings.tag`; "" where there is nothing to choose.
    """
    artifact = Path(artifact)
    parts = (artifact.stem, device_tag, f"trt{version}", settings, sha256[:12], "engine")
    return artifact.with_name(".".join(filter(None, parts)))


def board_engines(artifact: PathLike, device_tag: str, version: str, sha256: str) -> list[Path]:
    """The engines of an artifact for this board, however they were built; the newest first."""
    pattern = engine_path(glob.escape(Path(artifact).name), device_tag, version, sha256, "*").name
    found = Path(artifact).parent.glob(pattern)
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def rtx_tag(capabilities: Sequence[str]) -> str:
    """The part of an engine's name that says for which compute capabilities it was built."""
    return "-".join(["rtx", *map(capability_tag, sorted(set(capabilities)))])


def rtx_engines(artifact: PathLike, version: str, sha256: str) -> dict[Path, tuple[str, ...]]:
    """The engines of TensorRT for RTX beside an artifact, each with its tags ("sm86", ...)."""
    pattern = engine_path(glob.escape(Path(artifact).name), "rtx-*", version, sha256).name
    found = sorted(Path(artifact).parent.glob(pattern))
    return {
        path: tuple(re.findall(r"sm\d+", path.name[len(Path(artifact).stem) :])) for path in found
    }
