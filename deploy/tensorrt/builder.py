"""Builds a TensorRT engine from an .onnx artifact, on the board that is to run it.

This file runs on the board: Python 3.8, numpy and TensorRT's own module. What differs between the
versions is in `plan`; see the table there.

Not run on hardware by the authors: tested against recorded doubles of the API of 8.5, 10.3 and 11,
which refuse any call or flag that the version does not have.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..runtime import manifest as manifests
from ..runtime.cuda import Cuda
from ..runtime.errors import InputError
from ..runtime.files import PathLike, atomic_path
from ..runtime.manifest import Manifest
from ..runtime.trt_engine import engine_path, load_tensorrt, version_of

# MB; a Jetson shares its memory with the desktop. Warnings about skipped tactics are harmless.
WORKSPACE_MB = 1024
BUILDABLE = ("fp32", "fp16", "static_w8a8", "static_w8a8_fp16")


def onnx_manifest(artifact: PathLike) -> Manifest:
    """Reads an artifact's manifest.

    Raises:
        InputError: it does not hold, or the artifact is not for TensorRT.
    """
    manifest = manifests.load(artifact)
    if manifest.target != "onnx":
        raise InputError(f"{artifact}: made for {manifest.target!r}; export with --target onnx")
    return manifest


@dataclass(frozen=True)
class EngineSettings:
    """How one version builds one artifact.

    Attributes:
        version: of TensorRT, (major, minor).
        network_flags: names in `NetworkDefinitionCreationFlag`.
        builder_flags: names in `BuilderFlag`.
        workspace_mb: the most scratch memory.
        effort: builder optimisation level 0 to 5, or None where the version has none.
        note: what the user should know, or "".
    """

    version: tuple[int, int]
    network_flags: tuple[str, ...]
    builder_flags: tuple[str, ...]
    workspace_mb: int
    effort: int | None
    note: str = ""

    @property
    def tag(self) -> str:
        """What decides the engine's numbers and speed, as a part of its file's name."""
        flags = [*self.builder_flags, *({"STRONGLY_TYPED"} & set(self.network_flags))]
        words = [flag.lower().replace("_", "-") for flag in flags] or ["no-flags"]
        if self.effort is not None:
            words.append(f"effort{self.effort}")
        if self.workspace_mb != WORKSPACE_MB:
            words.append(f"workspace{self.workspace_mb}")
        return "-".join(words)


def plan(
    version: tuple[int, int],
    scheme: str,
    half: bool | None = None,
    workspace_mb: int = WORKSPACE_MB,
    effort: int = 3,
) -> EngineSettings:
    """Chooses the flags.

        artifact       8.5, 8.6                     10.x                   11
        fp32           none (half: FP16)            none (half: FP16)      none: the file's types
        fp16           FP16                         strongly typed         none: the file's types
        *_w8a8         INT8, FP16                   INT8, FP16             none: the file's types
        *_w8a8_fp16    not to be had                strongly typed         none: the file's types

    8.x also wants the flag EXPLICIT_BATCH. INT8 without FP16 would leave all that is not 8-bit in
    float32, the commonest cause of "int8 is slower than fp16".

    Args:
        version: of TensorRT, (major, minor).
        scheme: of the artifact.
        half: allow 16-bit floats where the file says float32; None = for 8-bit schemes only.
        workspace_mb: the most scratch memory in MB.
        effort: builder optimisation level, 0 to 5.

    Raises:
        InputError: there is no such scheme for TensorRT, or `half` is not to be had.
    """
    if scheme not in BUILDABLE:
        raise InputError(f"TensorRT builds {', '.join(BUILDABLE)}, not {scheme!r}")
    typed_file = scheme.endswith("fp16")
    int8 = scheme.endswith("w8a8")
    if scheme == "static_w8a8_fp16" and version < (10, 0):
        raise InputError(
            f"TensorRT {version[0]}.{version[1]} quantises float32 only; export the scheme static_w8a8"
        )
    if half is False and typed_file:
        raise InputError(
            f"--no-half: the file itself is in 16-bit floats ({scheme}); export fp32 or static_w8a8"
        )
    half = int8 if half is None else half
    network: tuple[str, ...] = ()
    builder: tuple[str, ...] = ()
    note = ""
    if version >= (11, 0):
        if half and not int8:
            raise InputError(
                f"TensorRT {version[0]} takes a file's types at their word; for 16-bit floats "
                "export the scheme fp16"
            )
        if int8:
            note = (
                "TensorRT 11 takes types from the file: what is not 8-bit runs in float32 there; export "
                "static_w8a8_fp16 for 16 bits"
            )
    elif typed_file and version >= (10, 0):
        network = ("STRONGLY_TYPED",)
    else:
        network = ("EXPLICIT_BATCH",) if version < (10, 0) else ()
        builder = (("INT8",) if int8 else ()) + (("FP16",) if half or typed_file else ())
    return EngineSettings(
        version, network, builder, workspace_mb, effort if version >= (8, 6) else None, note
    )


def trtexec_line(artifact: PathLike, engine: PathLike, chosen: EngineSettings) -> str:
    """The command of TensorRT's own tool that does the same, for the shell."""
    words = ["/usr/src/tensorrt/bin/trtexec", f"--onnx={artifact}", f"--saveEngine={engine}"]
    words += [f"--{flag.lower()}" for flag in chosen.builder_flags]
    if "STRONGLY_TYPED" in chosen.network_flags:
        words.append("--stronglyTyped")
    words.append(f"--memPoolSize=workspace:{chosen.workspace_mb}")
    if chosen.effort is not None:
        words.append(f"--builderOptimizationLevel={chosen.effort}")
    words.append("--skipInference" if chosen.version >= (8, 6) else "--buildOnly")
    return " ".join(shlex.quote(word) for word in words)


def build(
    artifact: PathLike,
    half: bool | None = None,
    workspace_mb: int = WORKSPACE_MB,
    effort: int = 3,
    force: bool = False,
    tensorrt: Any = None,
    cuda: Any = None,
) -> tuple[Path, EngineSettings, bool]:
    """Builds the engine of an artifact, unless it is there already.

    Args:
        artifact: the `.onnx` file with its manifest beside it.
        half: as for `plan`; an engine built otherwise has another name.
        workspace_mb: as for `plan`.
        effort: as for `plan`.
        force: build it again.
        tensorrt: a stand-in for the module; None = the real one.
        cuda: a stand-in for `Cuda`; None = the real one.

    Returns:
        Path of the engine, the plan, and whether it was built now.

    Raises:
        InputError: artifact or manifest does not hold, TensorRT or CUDA is not there, or TensorRT
            refuses the file; its own words are in the message.
        OSError: full disk, no permission; no half-written engine is left.
    """
    manifest = onnx_manifest(artifact)
    trt = tensorrt or load_tensorrt()
    chosen = plan(version_of(trt), manifest.scheme, half, workspace_mb, effort)
    tag = (cuda or Cuda()).device_tag()
    path = engine_path(artifact, tag, trt.__version__, manifest.file_sha256, chosen.tag)
    if path.is_file() and not force:
        return path, chosen, False
    # What was measured of a layer holds for every network that has one like it.
    cache = Path(artifact).with_name(f"timing.{tag}.trt{trt.__version__}.cache")
    # Opened first: a folder that cannot be written to fails at once, not after the build.
    with atomic_path(path) as temporary:
        temporary.write_bytes(serialize(trt, Path(artifact), chosen, cache))
    return path, chosen, True


def serialize(trt: Any, artifact: Path, chosen: EngineSettings, cache: Path | None = None) -> bytes:
    """Has TensorRT parse and build a file; see `build`.

    Args:
        trt: the module.
        artifact: the `.onnx` file.
        chosen: of `plan`.
        cache: where measured times are kept between builds on this board; None = nowhere.
    """
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    flags = 0
    for name in chosen.network_flags:
        flags |= 1 << int(getattr(trt.NetworkDefinitionCreationFlag, name))
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(artifact.read_bytes()):
        errors = [str(parser.get_error(index).desc()) for index in range(parser.num_errors)]
        raise InputError(
            f"{artifact}: TensorRT {trt.__version__} cannot read it ({'; '.join(errors)}); "
            "`python -m deploy lint` on the host says why"
        )
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, chosen.workspace_mb << 20)
    for name in chosen.builder_flags:
        config.set_flag(getattr(trt.BuilderFlag, name))
    if chosen.effort is not None:
        config.builder_optimization_level = chosen.effort
    if cache is not None:
        known = cache.read_bytes() if cache.is_file() else b""
        timing = config.create_timing_cache(known) or config.create_timing_cache(b"")
        config.set_timing_cache(timing, ignore_mismatch=False)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise InputError(
            f"{artifact}: TensorRT {trt.__version__} could not build it; its log above says why. "
            "On a board short of memory: stop the desktop, lower --workspace or --effort"
        )
    if cache is not None:
        try:
            with atomic_path(cache) as temporary:
                temporary.write_bytes(bytes(config.get_timing_cache().serialize()))
        except OSError as error:  # it costs the next build time, this one nothing
            logger.log(trt.Logger.WARNING, f"measured times are not kept: {error}")
    return bytes(serialized)
