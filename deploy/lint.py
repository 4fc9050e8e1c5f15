"""Holds an ONNX file against what TensorRT builds, and builds well, on a board.

The rules are in `deploy/lint_rules`; they come from NVIDIA's parser, guides and quantisation tools,
and let a host without TensorRT say what a board will do. A clean file is likely to build and to run
in 8 bits where it should; the proof is the board's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from cen_keras.errors import InputError

from .lint_rules import LINT_RULES, PROFILES, Finding, OnnxGraph, Profile
from .onnx.graph import parse
from .runtime.files import PathLike


def profile(name: str) -> Profile:
    """Looks up a profile.

    Raises:
        InputError: there is none of this name.
    """
    if name not in PROFILES:
        raise InputError(f"profile {name!r} is unknown; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


def lint(
    model: onnx.ModelProto, profile_name: str, samples: Mapping[str, np.ndarray] | None = None
) -> list[Finding]:
    """Runs every rule.

    Args:
        model: the file's content.
        profile_name: a key of PROFILES.
        samples: float32 (n, h, w, c) by input name, for the rule that looks at ranges.

    Returns:
        The findings, in the order of the rules.
    """
    chosen = profile(profile_name)
    graph = OnnxGraph(model, dict(samples) if samples else None)
    return [
        Finding(identifier, *found)
        for identifier, rule in LINT_RULES.items()
        for found in rule(graph, chosen)
    ]


def lint_file(
    path: PathLike, profile_name: str, samples: Mapping[str, np.ndarray] | None = None
) -> list[Finding]:
    """Lints a file; see `lint`.

    Raises:
        InputError: there is no such file, or it is no whole ONNX file.
    """
    path = Path(path)
    profile(profile_name)
    if not path.is_file():
        raise InputError(f"{path}: no such file; `deploy export --target onnx` writes one")
    return lint(parse(path.read_bytes(), str(path)), profile_name, samples)


def compiled(path: PathLike, capabilities: Sequence[str]) -> list[Finding]:
    """What TensorRT for RTX makes of a file, for each GPU; see `tensorrt.judge`.

    Raises:
        InputError: no whole file, TensorRT for RTX is not installed, or it does not know a GPU.
    """
    from .tensorrt.judge import judge

    return judge(parse(Path(path).read_bytes(), str(path)), capabilities)


def counts(findings: list[Finding]) -> dict[str, int]:
    """Numbers of errors, warnings and notes."""
    names = {"errors": "E", "warnings": "W", "notes": "I"}
    return {name: sum(f.severity == letter for f in findings) for name, letter in names.items()}


def to_json(path: PathLike, profile_name: str, findings: list[Finding]) -> dict[str, Any]:
    """The result for machines."""
    return {
        "file": str(path),
        "profile": profile_name,
        **counts(findings),
        "findings": [vars(finding) for finding in findings],
    }
