"""Builds engines ahead of time, on a machine with or without a GPU, for GPUs that are named: TensorRT for
RTX. Not for a Jetson, whose engine is built on the Jetson (`builder`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Sequence

from ..runtime.errors import InputError
from ..runtime.files import PathLike, sha256, write_together
from ..runtime.manifest import Manifest
from ..runtime.trt_engine import engine_path, load_tensorrt_rtx, rtx_tag
from .builder import onnx_manifest
from .compiler import Verdict, capability_member, compile_onnx

ENGINE_FORMAT = "cen_keras engine"


def build_ahead(
    artifact: PathLike, capabilities: Sequence[str], force: bool = False
) -> tuple[Path, bool]:
    """Builds the engine of an artifact, unless it is there already, and its description beside it.

    Args:
        artifact: the `.onnx` file with its manifest beside it.
        capabilities: compute capabilities of the GPUs, ("8.6", "8.9").
        force: build it again.

    Returns:
        Path of the engine, and whether it was built now.

    Raises:
        InputError: artifact or manifest does not hold, TensorRT for RTX is not installed, does not know
            a GPU, or refuses the file; its own words are in the message.
        OSError: full disk, no permission; no half-written engine is left.
    """
    manifest = onnx_manifest(artifact)
    trt = load_tensorrt_rtx()
    for capability in capabilities:
        capability_member(trt, capability)
    tag = rtx_tag(capabilities)
    path = engine_path(artifact, tag, trt.__version__, manifest.file_sha256)
    if path.is_file() and not force:
        return path, False
    verdict = compile_onnx(Path(artifact).read_bytes(), capabilities)
    if verdict.engine is None:
        errors = "; ".join(f"{node}: {text}" if node else text for node, text in verdict.errors)
        raise InputError(
            f"{artifact}: TensorRT for RTX {trt.__version__} refuses it ({errors}); `python -m deploy "
            "lint --compile` says more"
        )
    text = json.dumps(_description(manifest, verdict), indent=2) + "\n"
    write_together({path: verdict.engine, description_path(path): text.encode("utf-8")})
    return path, True


def description_path(engine: Path) -> Path:
    """Where an engine's description lies."""
    return engine.with_name(engine.name + ".json")


def read_description(engine: Path) -> dict[str, Any]:
    """Reads the description of an engine.

    Raises:
        InputError: it is missing or of another engine.
    """
    path = description_path(engine)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        fits = value["format"] == ENGINE_FORMAT and value["sha256"] == sha256(engine)
    except (OSError, ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise InputError(f"{engine}: its description {path.name} is not beside it; build it again")
    return value


def _description(manifest: Manifest, verdict: Verdict) -> dict[str, Any]:
    import hashlib

    content = verdict.engine or b""
    return {
        "format": ENGINE_FORMAT,
        "artifact": manifest.file_name,
        "artifact_sha256": manifest.file_sha256,
        "scheme": manifest.scheme,
        "tensorrt_rtx": verdict.version,
        "compute_capabilities": list(verdict.capabilities),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "layers": verdict.layers,
        "kernels": len(verdict.kernels),
        "convolutions": verdict.convolutions,
        "weight_bytes": verdict.weights,
        "warnings": list(verdict.warnings),
    }
