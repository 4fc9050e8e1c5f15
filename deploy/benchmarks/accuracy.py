"""The mIoU points that each scheme loses on the run of `make demo`.

Every artifact is verified as `python -m deploy verify` does it, on all held-out views; the figure is
the worst output's drop. Where 8 bits cost more than the budget, `static_w8a8_mixed` stands beside
`static_w8a8`: with layers back in float as `--float-layers auto` chooses them.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError

from ..artifacts import export
from ..run_folder import RunFolder, open_run
from ..runtime.console import CHECK_FAILED, GOOD
from ..tflite.sensitivity import choose_float_layers
from ..verify import verify_artifact
from ..walkthrough import Places, Walkthrough, plan

ARTIFACTS = {
    "fp16": ("tflite", "fp16"),
    "static_w8a8": ("tflite", "static_w8a8"),
    "onnx_qdq": ("onnx", "static_w8a8"),
}
MIXED = "static_w8a8_mixed"
BUDGET = 0.5
LEAST_VIEWS = 200


def demo_run(root: Path, say: Callable[[str], None]) -> RunFolder:
    """Opens the run of `make demo`, and trains it where it is not there.

    Args:
        root: folder of the demo.
        say: takes one line of progress.

    Raises:
        InputError: the training failed.
    """
    places = Places(root)
    if not (places.run / "scores.json").is_file():
        code = Walkthrough(root, say).run(plan(places)[:1])
        if code != GOOD:
            raise InputError(f"{places.run}: training ended with exit code {code}; see above")
    return open_run(places.run)


def measure(
    out: Path,
    run: RunFolder,
    say: Callable[[str], None],
    epochs: int = 4,
    count: int | None = None,
) -> dict[str, Any]:
    """Exports and verifies one artifact of each scheme.

    A scheme that fails is reported and the others go on.

    Args:
        out: folder for the artifacts.
        run: the trained run.
        say: takes one line of progress.
        epochs: of quantisation-aware training.
        count: held-out views; None = all.

    Returns:
        `miou_drop` by scheme (points) and `details`.

    Raises:
        InputError: no scheme at all could be measured.
    """
    views = len(run.views("val"))
    if views < LEAST_VIEWS:
        say(f"warning: only {views} held-out views; a drop below a point needs {LEAST_VIEWS}")
    folder = out / "accuracy"
    drops, details = {}, {}
    for name in (*ARTIFACTS, "qat_w8a8"):
        try:
            if name == "qat_w8a8":
                path = _train_on(run, folder / name, epochs)
            else:
                path = export(run, *ARTIFACTS[name], folder=folder / name)
            result = verify_artifact(path, run, count=count)
            _add(name, result, [], drops, details, say)
            if name == "static_w8a8" and result["worst_drop"] > BUDGET:
                name = MIXED
                path, layers = _with_float_layers(run, folder / name, say)
                _add(name, verify_artifact(path, run, count=count), layers, drops, details, say)
        except (InputError, RuntimeError, OSError) as error:
            details[name] = {"failed": str(error)}
            say(f"{name} failed: {error}")
    if not drops:
        raise InputError(f"{run.path}: no scheme could be measured; see above")
    return {"miou_drop": drops, "details": details}


def _add(name: str, result: dict[str, Any], layers: list[str], drops: dict, details: dict, say):
    """Notes what was found for one artifact."""
    drops[name] = result["worst_drop"]
    details[name] = {
        "views": result["count"],
        "drop_by_output": {n: o["drop_points"] for n, o in result["outputs"].items()},
        "float_layers": layers,
    }
    say(f"{name}: {drops[name]:+.2f} points on {result['count']} views")


def _with_float_layers(run: RunFolder, folder: Path, say) -> tuple[Path, list[str]]:
    layers = choose_float_layers(run, BUDGET, say=say)
    path = export(run, "tflite", "static_w8a8", folder=folder, float_layers=layers)
    return path, list(layers)


def _train_on(run: RunFolder, folder: Path, epochs: int) -> Path:
    """Quantisation-aware training in its own process, since it needs another Keras."""
    command = ["deploy", "qat", str(run.path), "--epochs", str(epochs), "--out", str(folder)]
    code = subprocess.run([sys.executable, "-m", *command], check=False).returncode
    path = folder / "qat_w8a8.tflite"
    if code not in (GOOD, CHECK_FAILED) or not path.is_file():
        raise RuntimeError(f"python -m {' '.join(command)} ended with exit code {code}")
    return path
