"""Artifacts whose time is measured: one form of a network in several number formats, calibrated on noise."""

from pathlib import Path

import keras
import numpy as np

from .. import calibration
from ..artifacts import apply_scheme, float_artifact
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..schemes import SHORT_NAMES
from ..targets import TARGETS

_SAMPLES = 2
"""Ranges do not change the time; these are enough for ones that do not overflow."""


def export_form(
    folder: Path,
    form: str,
    model: keras.Model,
    run: RunFolder,
    size: tuple[int, int],
    outputs: str = "all",
    as_trained: bool = False,
    formats: tuple[str, ...] = tuple(SHORT_NAMES),
    tune: str | None = None,
) -> dict[str, Path]:
    """Writes LiteRT files FOLDER/FORM_FORMAT.tflite of a network.

    Args:
        folder: made if it is missing.
        form: names the files.
        model: a functional model over streams.
        run: says how its images are normalised.
        size: height and width of the images.
        outputs: of the model; see `deploy export`.
        as_trained: write the exchange as it was trained instead of freezing it.
        formats: of `SHORT_NAMES`: "fp32", "int8".
        tune: for which engine int8 files are arranged; None for the default of a frozen graph, "none" as trained.

    Returns:
        "FORM_FORMAT" -> path.
    """
    target = TARGETS["tflite"]
    content, manifest = float_artifact(run, model, target, outputs, size, as_trained)
    samples = calibration.collect(noise(size), manifest.inputs, _SAMPLES)
    paths = {}
    for name in formats:
        made = apply_scheme(content, manifest, target, SHORT_NAMES[name], samples, tune=tune)
        paths[f"{form}_{name}"] = path = folder / f"{form}_{name}.tflite"
        manifests.save(made[1], path, made[0])
    return paths


def noise(size: tuple[int, int], seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Two views of noise: uint8 colours, and depth between 0.5 and 8 metres."""
    generator = np.random.default_rng(seed)
    return [
        {
            "rgb": generator.integers(0, 256, (*size, 3), dtype=np.uint8),
            "depth": generator.uniform(0.5, 8.0, size).astype(np.float32),
        }
        for _ in range(_SAMPLES)
    ]
