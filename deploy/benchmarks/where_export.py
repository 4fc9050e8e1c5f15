"""The export that freezing is measured against: the model as trained, its exchange written as
`where`.

Same weights, same outputs, same converter and quantiser; only the freezing is left out, and what
tunes a frozen file (a fifteenth of the difference on ResNet-50). Norms still fold into their
convolutions (the converter does that by itself), so what differs is the exchange. For comparison in
`bench` only: in int8 LiteRT's fast kernels take neither SELECT_V2 nor the ReLU behind it, which it
keeps from being fused, and the graph falls into pieces. On ResNet-50 the ReLUs cost most: with
`tune="xnnpack"` on this side too, freezing takes 0.86 to 0.90 of it in int8, without 0.53 to
0.64, by the machine.
"""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path

from .. import bench, calibration
from ..artifacts import apply_scheme, float_artifact
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..runtime.runner import open_runner
from ..schemes import SHORT_NAMES
from ..targets import TARGETS
from ..tflite.graph import read_operators

# Latency does not depend on what the samples show; these are enough for ranges that do not
# overflow.
_SAMPLES = 4
_MOST_ENLARGEMENTS = 4


def export_contenders(
    run: RunFolder,
    min_ms: float,
    threads: int | None,
    say: Callable[[str], None],
) -> dict[str, Path]:
    """Exports the model frozen and as trained, each in float32 and int8, at one input size.

    The size is the smallest multiple of the training size at which both exports as trained take
    `min_ms`: a faster network's ratio would be one of overheads.

    Args:
        run: the trained run; the artifacts go to its folder `bench`.
        min_ms: milliseconds of one inference.
        threads: of the engine.
        say: takes one line of progress.

    Returns:
        Paths of "as_trained_fp32", "frozen_fp32", "as_trained_int8" and "frozen_int8".
    """
    model = run.model()
    factor = 1
    for _ in range(_MOST_ENLARGEMENTS):
        shape = (run.image_shape[0] * factor, run.image_shape[1] * factor)
        trained = _export_pair(run, model, shape, True, say)
        fastest = min(_infer_ms(path, threads) for path in trained.values())
        say(f"as trained at {shape[0]}x{shape[1]}: {fastest:.1f} ms")
        if fastest >= min_ms:
            break
        # Time grows with the area; a fifth on top, so that one step is usually enough.
        factor = max(factor + 1, math.ceil(factor * math.sqrt(1.2 * min_ms / fastest)))
    frozen = _export_pair(run, model, shape, False, say)
    return {
        "as_trained_fp32": trained["fp32"],
        "frozen_fp32": frozen["fp32"],
        "as_trained_int8": trained["int8"],
        "frozen_int8": frozen["int8"],
    }


def _export_pair(
    run: RunFolder, model, shape: tuple[int, int], as_trained: bool, say: Callable[[str], None]
) -> dict[str, Path]:
    """Writes one form of the model in float32 and int8."""
    target = TARGETS["tflite"]
    content, manifest = float_artifact(run, model, target, "all", shape, as_trained)
    if as_trained and not any(op.kind.startswith("SELECT") for op in read_operators(content)):
        # With all masks constant and full, the converter folds the exchange away by itself.
        say("no channel of this model is exchanged: both exports compute the same")
    folder = run.path / "bench"
    samples = calibration.collect(run.views("train"), manifest.inputs, _SAMPLES)
    manifest = dataclasses.replace(manifest, run=os.path.relpath(run.path, folder))
    form = "as_trained" if as_trained else "frozen"
    paths = {}
    for name, scheme_name in SHORT_NAMES.items():
        chosen = apply_scheme(content, manifest, target, scheme_name, samples)
        paths[name] = folder / f"{form}_{name}.tflite"
        manifests.save(chosen[1], paths[name], chosen[0])
    return paths


def _infer_ms(path: Path, threads: int | None) -> float:
    times = bench.measure({"it": open_runner(path, threads)}, rounds=9, warm_up=2)
    # The least of a few: on a busy machine the median would settle for a smaller size.
    return times["it"]["infer"]["min"]
