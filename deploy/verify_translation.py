"""Holds an exported translation against the float Keras generator it came from: mean absolute error.

Held-out views go through both as the same float32 images in -1..1. Reported per output: how far the
artifact's image is from the float model's, and both images' error against the target.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from cen_keras.errors import InputError

from .run_folder import RunFolder
from .runtime.files import PathLike
from .runtime.runner import open_runner
from .verify import check_finite

ALLOWED = {"fp32": 1e-4, "fp16": 5e-3}
"""Scheme -> mean absolute difference that passes, on the scale of the images, -1..1: an eightieth of
a step of an 8-bit picture, and less than one."""


class ImageComparison:
    """Running comparison of one output of two models."""

    def __init__(self):
        self._sums = {"difference": 0.0, "reference": 0.0, "candidate": 0.0}
        self._largest, self._images = 0.0, 0

    def add(self, reference: np.ndarray, candidate: np.ndarray, target: np.ndarray) -> None:
        """Adds one view's images, float32 (h, w, c).

        Raises:
            InputError: as `check_finite`.
        """
        check_finite("images", reference, candidate)
        difference = np.abs(candidate.astype(np.float64) - reference)
        self._largest = max(self._largest, float(difference.max()))
        self._sums["difference"] += float(difference.mean())
        self._sums["reference"] += float(np.abs(reference.astype(np.float64) - target).mean())
        self._sums["candidate"] += float(np.abs(candidate.astype(np.float64) - target).mean())
        self._images += 1

    def result(self) -> dict[str, float]:
        """`mean_abs_error` and `max_abs_error` against the float model; `reference_mae` and
        `candidate_mae` of the float model and the artifact against the target.
        """
        means = {name: value / max(self._images, 1) for name, value in self._sums.items()}
        return {
            "mean_abs_error": means["difference"],
            "max_abs_error": self._largest,
            "reference_mae": means["reference"],
            "candidate_mae": means["candidate"],
        }


def verify_translation(
    run: RunFolder,
    artifact: PathLike | None = None,
    *,
    count: int | None = None,
    split: str = "val",
    max_error: float | None = None,
    threads: int | None = None,
    engine: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compares an artifact, or the frozen graph before any export, with the trained generator.

    Args:
        run: the run folder, of a translation.
        artifact: the `.tflite` or `.onnx` file; None = the frozen Keras graph.
        count: number of held-out views; None = all.
        split: of the data set.
        max_error: mean absolute difference that any output may have; None = as in `ALLOWED`.
        threads: of the engine.
        engine: as for `open_runner`.
        progress: called with how many of how many views are compared.

    Returns:
        What was compared, the result of each output, `allowed_error`, `worst_error` and `passed`.

    Raises:
        InputError: the artifact, its manifest or the run does not hold.
    """
    model = run.model().generator
    result: dict[str, Any] = {"task": "translation", "run": str(run.path)}
    if artifact is None:
        from .freeze import freeze

        plain = freeze(model, "all", run.image_shape, batch=None)
        names, scheme, candidate = tuple(plain.output), "fp32", plain.predict_on_batch
        result["frozen"] = str(run.path)
    else:
        runner = open_runner(artifact, threads, engine)
        names, scheme, candidate = tuple(runner.outputs), runner.manifest.scheme, runner.run
        result |= {
            "artifact": str(artifact),
            "sha256": runner.manifest.file_sha256,
            "scheme": scheme,
            "engine": runner.engine,
        }
        if runner.manifest.image_shape != run.image_shape:
            raise InputError(
                f"{artifact}: takes images of {runner.manifest.image_shape}, its run's views are "
                f"{run.image_shape}; export it in their size to verify it"
            )
    views = run.views(split)
    count = len(views) if count is None else min(count, len(views))
    if count < 1:
        raise InputError(f"{run.path}: no views to compare on; --count must be 1 or more")
    comparisons = {name: ImageComparison() for name in names}
    for index in range(count):
        view = views[index]
        images = {name: view[name][None] for name in run.modalities}
        wanted, found = model.predict_on_batch(images), candidate(images)
        for name in names:
            comparisons[name].add(wanted[name][0], found[name][0], view[run.data["target"]])
        if progress is not None:
            progress(index + 1, count)
    outputs = {name: comparison.result() for name, comparison in comparisons.items()}
    allowed = ALLOWED[scheme] if max_error is None else max_error
    worst = max(output["mean_abs_error"] for output in outputs.values())
    return {
        **result,
        "split": split,
        "count": count,
        "outputs": outputs,
        "allowed_error": allowed,
        "worst_error": worst,
        "passed": worst <= allowed,
    }
