"""What our linter says to our 8-bit ONNX file, and to the one of ONNX Runtime's defaults."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from .. import calibration
from .. import lint as linter
from ..artifacts import apply_scheme, float_artifact
from ..onnx.graph import parse
from ..onnx.quantizer import Reader, quiet
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..targets import TARGETS

LINTED_FOR = ("jp5", "jp6", "jp7")
_SAMPLES = 8


def measure(out: Path, run: RunFolder, say: Callable[[str], None]) -> dict[str, Any]:
    """Exports one run both ways and lints the files.

    Args:
        out: folder for the artifact.
        run: the trained run.
        say: takes one line of progress.

    Returns:
        `lint` (errors and warnings by profile, and of the default file) and `details`.
    """
    target = TARGETS["onnx"]
    say("exporting ONNX")
    content, manifest = float_artifact(run, run.model(), target, "all", run.image_shape)
    samples = calibration.collect(run.views("train"), manifest.inputs, _SAMPLES)
    ours, manifest = apply_scheme(content, manifest, target, "static_w8a8", samples)
    manifests.save(manifest, out / "lint" / "static_w8a8.onnx", ours)
    found: dict[str, Any] = {}
    for name in LINTED_FOR:
        findings = linter.counts(linter.lint(parse(ours), name))
        found[name] = {key: findings[key] for key in ("errors", "warnings")}
    say("quantising with ONNX Runtime's defaults")
    findings = linter.lint(default_quantised(content, samples.arrays), LINTED_FOR[0])
    found["ort_default"] = {"errors": linter.counts(findings)["errors"]}
    rules = sorted({finding.rule for finding in findings if finding.severity == "E"})
    return {"lint": found, "details": {"ort_default_rules": rules, "run": str(run.path)}}


def default_quantised(
    content: bytes, samples: dict[str, np.ndarray], **options: Any
) -> onnx.ModelProto:
    """Quantises a float .onnx file as ONNX Runtime does when nobody tells it how.

    Args:
        content: a float file with batch 1, channels first.
        samples: float32 (n, h, w, c) by input name.
        options: of `quantize_static`, where somebody does.
    """
    from onnxruntime.quantization import quantize_static

    with quiet(), tempfile.TemporaryDirectory(prefix="cen-keras-default-") as folder:
        path = Path(folder) / "default.onnx"
        quantize_static(parse(content), str(path), Reader(samples), **options)
        return onnx.load(path)
