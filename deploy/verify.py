"""Holds what will run on the board against the float Keras model it came from.

Held-out views go through the runtime's own preprocessing; the artifact runs in its engine, the
Keras model on the float values of the same pixels. Reported per output: error of the logits, share
of pixels with the same class, and mIoU of both against the labels.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.folder_checks import check_labelled
from cen_keras.errors import InputError
from cen_keras.metrics.confusion import ConfusionMatrix

from .artifacts import float_artifact
from .layer_errors import LayerError, layer_errors
from .run_folder import RunFolder, run_of
from .runtime.files import PathLike, sha256
from .runtime.postprocess import class_map, interpolation_matrix
from .runtime.preprocess import Frame, Preprocessor
from .runtime.runner import open_runner
from .schemes import scheme
from .targets import TARGETS

# Views that go through the Keras model at once; the artifact takes one at a time.
_BATCH = 8


class OutputComparison:
    """Running comparison of one output of two models."""

    def __init__(self, num_classes: int, ignore: int = 255):
        self._confusions = [ConfusionMatrix(num_classes, ignore) for _ in range(2)]
        self._largest_error = self._largest = self._noise = self._signal = 0.0
        self._agreeing = self._pixels = 0

    def add(self, reference: np.ndarray, candidate: np.ndarray, label: np.ndarray) -> None:
        """Adds one view.

        Args:
            reference: float32 (h, w, classes), logits of the float model.
            candidate: the same of the other; or its class map, integers (h, w, 1).
            label: integers (H, W), some of them ignored.

        Raises:
            InputError: as `check_finite`.
        """
        check_finite("logits", reference, candidate)
        if candidate.dtype.kind == "f":
            self._add_errors(_at_size_of(reference, candidate), candidate)
        maps = [class_map(logits, *label.shape) for logits in (reference, candidate)]
        self._agreeing += int((maps[0] == maps[1]).sum())
        self._pixels += label.size
        for confusion, prediction in zip(self._confusions, maps, strict=True):
            confusion.update(label[None], prediction[None])

    def _add_errors(self, reference: np.ndarray, candidate: np.ndarray) -> None:
        error = np.abs(candidate.astype(np.float64) - reference)
        self._largest_error = max(self._largest_error, float(error.max()))
        self._largest = max(self._largest, float(np.abs(reference).max()))
        self._noise += float((error**2).sum())
        self._signal += float((reference.astype(np.float64) ** 2).sum())

    def result(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Errors (None where the candidate gives classes), agreement and the scores of both; mIoU
        from 0 to 1, `drop_points` in hundredths of it.
        """
        reference, candidate = (_scores(confusion, classes) for confusion in self._confusions)
        compared = self._largest > 0
        noise = max(self._noise, 1e-30)
        return {
            "max_abs_error": self._largest_error if compared else None,
            "relative_error": self._largest_error / self._largest if compared else None,
            "sqnr_db": float(10 * np.log10(self._signal / noise)) if compared else None,
            "pixel_agreement": self._agreeing / max(self._pixels, 1),
            "reference": reference,
            "candidate": candidate,
            "drop_points": 100 * (reference["miou"] - candidate["miou"]),
        }


def check_finite(what: str, reference: np.ndarray, candidate: np.ndarray) -> None:
    """Checks the float model's outputs, then those of what was made of it.

    Raises:
        InputError: some are NaN or infinite; whose they are tells the cause.
    """
    if not np.isfinite(reference).all():
        raise InputError(
            f"{what} of the float model are NaN or infinite: the training diverged; take an earlier checkpoint"
        )
    if not np.isfinite(candidate).all():
        raise InputError(
            f"{what} are NaN or infinite, those of the float model are not; where it computes in 16-bit floats, they "
            "end at 65504: export fp32"
        )


def _scores(confusion: ConfusionMatrix, classes: Sequence[str]) -> dict[str, Any]:
    """The scores with the IoU of each class by name; None where a class does not occur."""
    ious = confusion.per_class()["iou"]
    per_class = {
        name: None if np.isnan(iou) else float(iou) for name, iou in zip(classes, ious, strict=True)
    }
    return dict(confusion.result(), per_class=per_class)


def _at_size_of(logits: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Enlarges logits to the height and width of others that the graph enlarged."""
    if logits.shape == other.shape:
        return logits
    rows, columns = (
        interpolation_matrix(a, b) for a, b in zip(logits.shape[:2], other.shape[:2], strict=True)
    )
    return np.einsum("Hh,hwn,Ww->HWn", rows, logits, columns, optimize=True)


def verify_artifact(
    artifact: PathLike,
    run: RunFolder | None = None,
    *,
    count: int | None = None,
    split: str = "val",
    max_drop: float | None = None,
    threads: int | None = None,
    engine: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compares an artifact with the float model of its run.

    Args:
        artifact: the `.tflite` or `.onnx` file.
        run: the run folder; None = the one that the manifest names.
        count: number of held-out views; None = all.
        split: of the data set.
        max_drop: mIoU points that may be lost by any output; None = as the scheme allows.
        threads: of the engine.
        engine: as for `open_runner`.
        progress: called with how many of how many views are compared.

    Returns:
        What was compared, the result of each output, `allowed_drop`, `worst_drop` and `passed`.

    Raises:
        InputError: the artifact, its manifest or the run does not hold.
    """
    runner = open_runner(artifact, threads, engine)
    run = run or run_of(artifact, runner.manifest)
    allowed = scheme(runner.manifest.scheme).allowed_drop if max_drop is None else max_drop
    prepare = Preprocessor(runner.inputs)

    def candidate(frames: list[Frame]) -> list[dict[str, np.ndarray]]:
        return [{name: a[0] for name, a in runner.run(prepare(f)).items()} for f in frames]

    # What the float model is fed comes from the run, not from the manifest: a wrong normalisation
    # in the manifest must show.
    reference = _keras_predictor(run.model(), run, runner.manifest.image_shape)
    result = _compare(run, tuple(runner.outputs), reference, candidate, count, split, progress)
    return {
        "artifact": str(artifact),
        "sha256": runner.manifest.file_sha256,
        "scheme": runner.manifest.scheme,
        "engine": runner.engine,
        **_judged(result, allowed),
    }


def verify_frozen(
    run: RunFolder,
    *,
    count: int | None = None,
    split: str = "val",
    max_drop: float = 0.05,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compares the frozen Keras graph with the trained model, before any export.

    Args:
        run: the trained run.
        count: number of held-out views; None = all.
        split: of the data set.
        max_drop: mIoU points that may be lost by any output.
        progress: called with how many of how many views are compared.

    Returns:
        As `verify_artifact`, with `relative_error` of the logits, the largest of all outputs.
    """
    from .freeze import freeze

    model = run.model()
    plain = freeze(model, "all", run.image_shape, batch=None)
    names = tuple(plain.output)
    reference = _keras_predictor(model, run, run.image_shape)
    candidate = _keras_predictor(plain, run, run.image_shape)
    result = _compare(run, names, reference, candidate, count, split, progress)
    worst = float(np.max([output["relative_error"] for output in result["outputs"].values()]))
    return {
        "frozen": str(run.path),
        "sha256": sha256(run.model_file),
        "relative_error": worst,
        **_judged(result, max_drop),
    }


def verify_layers(
    artifact: PathLike, run: RunFolder | None = None, *, count: int = 1, split: str = "val"
) -> list[LayerError]:
    """Compares every layer of a .tflite artifact with the float export of its run.

    Args:
        artifact: the `.tflite` file.
        run: the run folder; None = the one that the manifest names.
        count: number of held-out views.
        split: of the data set.

    Raises:
        InputError: the artifact, its manifest or the run does not hold, or the engine keeps its
            intermediate results to itself, as ONNX Runtime does.
    """
    runner = open_runner(artifact)
    manifest = runner.manifest
    if manifest.target != "tflite":
        raise InputError(f"{artifact}: layers can be looked into for .tflite files only")
    run = run or run_of(artifact, runner.manifest)
    reference, _ = float_artifact(
        run, run.model(), TARGETS["tflite"], ",".join(runner.outputs), manifest.image_shape
    )
    views = run.views(split)
    prepare = Preprocessor(runner.inputs, as_float=True)
    feeds = [prepare(Frame(f"{split} view {i}", views[i])) for i in range(min(count, len(views)))]
    return layer_errors(Path(artifact).read_bytes(), reference, feeds)


Predictor = Callable[[list[Frame]], list[dict[str, np.ndarray]]]


def _compare(
    run: RunFolder,
    names: tuple[str, ...],
    reference: Predictor,
    candidate: Predictor,
    count: int | None,
    split: str,
    progress: Callable[[int, int], None] | None,
) -> dict[str, Any]:
    views = run.views(split)
    check_labelled(views)
    if views.classes and len(views.classes) != len(run.data["classes"]):
        raise InputError(
            f"{run.path}: its model has {len(run.data['classes'])} classes, the data "
            f"{len(views.classes)}; name the model's, and map other labels with label_map"
        )
    count = len(views) if count is None else min(count, len(views))
    if count < 1:
        raise InputError(f"{run.path}: no views to compare on; --count must be 1 or more")
    classes = tuple(run.data["classes"])
    comparisons = {name: OutputComparison(len(classes), run.ignore) for name in names}
    for start in range(0, count, _BATCH):
        chunk = [views[i] for i in range(start, min(start + _BATCH, count))]
        frames = [Frame(f"{split} view {start + i}", view) for i, view in enumerate(chunk)]
        results = zip(reference(frames), candidate(frames), chunk, strict=True)
        for wanted, found, view in results:
            for name in names:
                comparisons[name].add(wanted[name], found[name], view["label"])
        if progress is not None:
            progress(start + len(chunk), count)
    return {
        "run": str(run.path),
        "split": split,
        "count": count,
        "outputs": {name: c.result(classes) for name, c in comparisons.items()},
    }


def _keras_predictor(model, run: RunFolder, image_shape: tuple[int, int]) -> Predictor:
    """Runs a Keras model on the float values of frames."""
    inputs = {
        tensor.name: run.input_spec(tensor.name, (1, *image_shape, int(tensor.shape[-1])))
        for tensor in model.inputs
    }
    prepare = Preprocessor(inputs, as_float=True)

    def predict(frames: list[Frame]) -> list[dict[str, np.ndarray]]:
        fed = [prepare(frame) for frame in frames]
        batch = {name: np.concatenate([f[name] for f in fed]) for name in inputs}
        logits = model.predict_on_batch(batch)
        return [{name: array[i] for name, array in logits.items()} for i in range(len(frames))]

    return predict


def _judged(result: dict[str, Any], allowed: float) -> dict[str, Any]:
    # An output without any class has no mIoU (NaN), and a check that compares nothing must not
    # pass: unlike Python's, numpy's maximum keeps NaN.
    worst = float(np.max([output["drop_points"] for output in result["outputs"].values()]))
    passed = bool(np.isfinite(worst) and worst <= allowed)
    return {**result, "allowed_drop": allowed, "worst_drop": worst, "passed": passed}
