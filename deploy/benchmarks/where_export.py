"""The export that freezing is measured against: the model as trained, its exchange written as
`where`.

Same weights, same outputs, same converter, quantiser and passes; only the freezing is left out. Norms
still fold into their convolutions (the converter does that by itself), so what differs is the
exchange. As the tools give it ("untuned" in `make bench`) LiteRT's fast kernels take neither SELECT_V2
in int8 nor the ReLU behind it, and the graph falls into pieces. For comparison in benchmarks only.
"""

import dataclasses
import itertools
import math
import os
from collections.abc import Callable
from pathlib import Path

import keras

from .. import bench, calibration
from ..artifacts import apply_scheme, float_artifact
from ..freeze.layers import max_pool
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


def pools_in_two(model: keras.Model) -> keras.Model:
    """A trained functional model whose large pools are written as `freeze` writes them."""
    numbers = itertools.count(1)

    def call(layer, *args, **kwargs):
        if type(layer) is not keras.layers.MaxPooling2D:
            return layer(*args, **kwargs)
        name = f"{layer.name}_{next(numbers)}"
        return max_pool(*args, layer.pool_size, layer.strides, layer.padding, name=name)

    plain = keras.Model(model.input, model.output)
    twin = keras.models.clone_model(plain, call_function=call, clone_function=lambda layer: layer)
    return twin


def _export_pair(
    run: RunFolder, model, shape: tuple[int, int], as_trained: bool, say: Callable[[str], None]
) -> dict[str, Path]:
    """Writes one form of the model in float32 and int8, by every pass that a frozen file gets."""
    target = TARGETS["tflite"]
    model = pools_in_two(model) if as_trained else model
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
        chosen = apply_scheme(
            content, manifest, target, scheme_name, samples, tune=target.tunings[0]
        )
        paths[name] = folder / f"{form}_{name}.tflite"
        manifests.save(chosen[1], paths[name], chosen[0])
    return paths


def _infer_ms(path: Path, threads: int | None) -> float:
    times = bench.measure({"it": open_runner(path, threads)}, rounds=9, warm_up=2)
    # The least of a few: on a busy machine the median would settle for a smaller size.
    return times["it"]["infer"]["min"]
