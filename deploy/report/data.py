"""Gathers what a run folder and its artifacts know into one dict for the page."""

import json
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.pages.training_page import read_rows

from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..runtime.files import beside
from ..targets import TARGETS

# What the report finds beside an artifact.
VERIFIED, TIMED = ".verify.json", ".bench.json"
CONTENDERS = ("as_trained_fp32", "frozen_fp32", "as_trained_int8", "frozen_int8")


def gather(run: RunFolder, controls: dict[str, Path]) -> dict[str, Any]:
    """Reads all that is there; what is not there is None or empty.

    Args:
        run: the trained run.
        controls: run folders of the same net on one modality, by a name for the table.

    Returns:
        `log` and `exchange` (rows of the CSV files), `scores`, `frozen`, `artifacts`, `latency`,
        `sensitivity` and `controls`.

    Raises:
        InputError: an artifact in the run folder does not hold, or a control has no scores.
    """
    return {
        "log": read_rows(run.path / "log.csv"),
        "exchange": read_rows(run.path / "exchange.csv"),
        "scores": read_json(run.path / "scores.json"),
        "frozen": read_json(run.path / "frozen.verify.json"),
        "artifacts": [
            describe(path)
            for target in TARGETS.values()
            for path in sorted((run.path / target.name).glob("*" + target.suffix))
        ],
        "latency": read_json(run.path / "bench" / "latency.json"),
        "sensitivity": read_json(run.path / "sensitivity.json"),
        "controls": {name: _control(Path(path)) for name, path in controls.items()},
    }


def describe(path: Path) -> dict[str, Any]:
    """An artifact with its verification and its timing, where those are of this very file.

    Raises:
        InputError: the artifact does not hold.
    """
    manifest = manifests.load(path)
    verified = read_json(beside(path, VERIFIED))
    timed = read_json(beside(path, TIMED))
    if verified is not None and verified.get("sha256") != manifest.file_sha256:
        verified = None
    if timed is not None and timed.get("sha256") != manifest.file_sha256:
        timed = None
    return {"path": path, "manifest": manifest, "verified": verified, "timed": timed}


def read_json(path: Path) -> Any:
    """The content of a JSON file; None where there is none.

    Raises:
        InputError: the file is no JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path}: not JSON ({error}); delete it and run its command again"
        ) from error


def _control(run: Path) -> dict[str, Any]:
    scores = read_json(run / "scores.json")
    if scores is None:
        raise InputError(f"{run}: no scores.json; train this control first")
    return scores
