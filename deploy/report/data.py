"""Gathers what a run folder and its artifacts know into one dict for the page."""

import json
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.pages.training_page import read_rows

from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..runtime.files import beside, sha256
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
        `sensitivity` and `controls`; `left_out`: results that are of another model or file, or on
        other views than most, a line each.

    Raises:
        InputError: an artifact in the run folder does not hold, or a control has no scores.
    """
    left_out: list[str] = []
    model = sha256(run.model_file) if run.model_file.is_file() else None
    found = {
        "log": read_rows(run.path / "log.csv"),
        "exchange": read_rows(run.path / "exchange.csv"),
        "scores": read_json(run.path / "scores.json"),
        "frozen": _result(run.path / "frozen.verify.json", model, left_out),
        "artifacts": [
            item
            for target in TARGETS.values()
            for path in sorted((run.path / target.name).glob("*" + target.suffix))
            # Exports as trained are there for comparison and have their own table.
            if (item := describe(path, left_out))["manifest"].freeze
        ],
        "latency": _result(run.path / "bench" / "latency.json", model, left_out),
        "sensitivity": _result(run.path / "sensitivity.json", model, left_out),
        "controls": {name: _control(Path(path)) for name, path in controls.items()},
        "left_out": left_out,
    }
    _leave_other_views(found)
    return found


def describe(path: Path, left_out: list[str]) -> dict[str, Any]:
    """An artifact with its verification and its timing, where those are of this very file.

    Raises:
        InputError: the artifact does not hold.
    """
    manifest = manifests.load(path)
    verified, timed = (
        _result(beside(path, suffix), manifest.file_sha256, left_out)
        for suffix in (VERIFIED, TIMED)
    )
    return {"path": path, "manifest": manifest, "verified": verified, "timed": timed}


def _result(path: Path, digest: str | None, left_out: list[str]) -> Any:
    """What a command left, where it is of the model or file of this SHA-256."""
    found = read_json(path)
    if found is not None and found.get("sha256") != digest:
        whose = "another model or file" if "sha256" in found else "an unknown model"
        left_out.append(f"{path.name}: of {whose}; give its command again")
        return None
    return found


def _leave_other_views(found: dict[str, Any]) -> None:
    """Leaves out verifications on other views than the widest: their scores cannot be compared."""
    holders = [(found, "frozen", "frozen")]
    holders += [(item, "verified", item["path"].name) for item in found["artifacts"]]
    known = [(holder, key, name) for holder, key, name in holders if holder[key]]
    if not known:
        return
    widest = max((holder[key] for holder, key, _ in known), key=lambda result: result["count"])
    most = widest["count"], widest["split"]
    for holder, key, name in known:
        views = holder[key]["count"], holder[key]["split"]
        if views != most:
            found["left_out"].append(
                f"{name}: verified on {views[0]} views of {views[1]}, others on {most[0]} of {most[1]}"
            )
            holder[key] = None


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
