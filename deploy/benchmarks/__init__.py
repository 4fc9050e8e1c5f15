"""The project's edge figures, measured again on this machine: what `make bench` runs.

Seven parts, each a process of its own, so that one that fails or is interrupted costs the others
nothing and the memory of one is free for the next:

    network    latency and file size of ResNet-50 with the light decoder, frozen against as trained
    accuracy   mIoU points that each scheme loses on the run of `make demo`
    lint       what our linter says to our 8-bit ONNX file, and to ONNX Runtime's default one
    edge_network
               cen_edge_m's network: frozen against as trained, two modalities against one
    edge       the edge presets: size, work, frames per second, scores of those with weights
    camera     the demo of edge presets, from a camera's pictures of 1280x720 to a video
    esanet     the time of networks beside ESANet's

A part leaves OUT/parts/NAME.json; a part that is there is not measured again until all are done.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..runtime.console import GOOD, INTERRUPTED, plain
from ..runtime.files import write_json

# What the figures are held against; latency on somebody's machine is reported, not judged.
LIMITS = {
    "latency_ratio.int8_same_passes": 0.85,
    "latency_ratio.edge_int8_same_passes": 0.8,
    "latency_ratio.int8_untuned": 0.62,
    "latency_ratio.edge_int8_untuned": 0.62,
    "latency_ratio.int8_vs_mask": 0.95,
    "latency_ratio.fp32": 0.95,
    # The ensemble alone, its decoder joined.
    "latency_ratio.two_over_one_int8": 1.5,
    "latency_ratio.two_over_one_fp32": 1.6,
    "size_ratio.int8": 1.05,
    "size_ratio.fp32": 1.7,
    "miou_drop.fp16": 0.05,
    "miou_drop.static_w8a8": 0.5,
    "miou_drop.qat_w8a8": 0.3,
    "miou_drop.onnx_qdq": 0.5,
    "miou_drop.edge_static_w8a8": 0.5,
    # Milliseconds of a whole frame, and the share of it outside the network.
    "latency_edge.cen_edge_s": 20.0,
    "latency_edge.cen_edge_m": 40.0,
    "latency_edge.share_outside": 1 / 3,
    # In int8 over ESANet's int8 on the same engine by the same passes, and in ONNX Runtime.
    "latency_of_esanet.cen_edge_m_rooms.litert_int8": 0.45,
    "latency_of_esanet.cen_lite0_nyudv2.litert_int8": 0.45,
    "latency_of_esanet.cen_edge_m_rooms.ort_int8": 0.4,
    **{f"lint.{p}.{kind}": 0 for p in ("jp5", "jp6", "jp7") for kind in ("errors", "warnings")},
}


def part_path(out: Path, name: str) -> Path:
    """Where a part leaves its figures."""
    return out / "parts" / f"{name}.json"


def keep(path: Path, value: dict[str, Any]) -> None:
    """Writes JSON, whole or not at all."""
    write_json(path, plain(value))


def measure_all(
    out: Path, arguments: dict[str, str], say: Callable[[str], None], parts: Sequence[str]
) -> tuple[dict[str, Any], int]:
    """Measures the parts that are not there yet and gathers them.

    Args:
        out: folder of the figures.
        arguments: further options of `python -m deploy benchmarks` for the parts' processes.
        say: takes one line of progress.
        parts: which parts.

    Returns:
        What goes into `deploy.json`, and an exit code: 130 where a part was interrupted, else 0.
    """
    start = time.perf_counter()
    kept = out / "deploy.json"
    if kept.is_file():
        before = json.loads(kept.read_text(encoding="utf-8"))
        if not before.get("failed") and set(parts) <= set(before.get("seconds", {})):
            for name in parts:  # the last measurement was whole; this is a new one
                part_path(out, name).unlink(missing_ok=True)
    result: dict[str, Any] = {"failed": {}, "seconds": {}, "details": {}}
    for number, name in enumerate(parts, 1):
        path = part_path(out, name)
        if path.is_file():
            say(f"[{number}/{len(parts)}] {name}: kept from the interrupted measurement")
        else:
            say(f"[{number}/{len(parts)}] {name}")
            code = _execute(name, out, arguments)
            if code == INTERRUPTED:
                return result, INTERRUPTED
            if code != GOOD or not path.is_file():
                result["failed"][name] = f"ended with exit code {code}; see what it printed"
                say(f"{name} failed with exit code {code}; going on with the others")
                continue
        found = json.loads(path.read_text(encoding="utf-8"))
        result["seconds"][name] = found.pop("seconds")
        result["details"][name] = found.pop("details", {})
        for key, value in found.items():
            result.setdefault(key, {}).update(value)
    result["seconds"]["total"] = time.perf_counter() - start
    return result, GOOD


def _execute(name: str, out: Path, arguments: dict[str, str]) -> int:
    command = [sys.executable, "-m", "deploy", "benchmarks", "--part", name, "--out", str(out)]
    for option, value in arguments.items():
        command += [option, value]
    child = subprocess.Popen(command)
    try:
        code = child.wait()
    except KeyboardInterrupt:
        child.wait()
        return INTERRUPTED
    return INTERRUPTED if code < 0 and -code == 2 else code


def held(result: dict[str, Any]) -> list[tuple[str, float | None, float, bool]]:
    """Holds the figures against the targets.

    Returns:
        (name, value or None where it was not measured, most allowed, whether it is within).
    """
    rows = []
    for name, limit in LIMITS.items():
        value: Any = result
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        rows.append((name, value, limit, value is not None and value <= limit))
    broken = result.get("lint", {}).get("ort_default", {}).get("errors")
    # The other way round: the linter must see what is wrong with the default.
    rows.append(("lint.ort_default.errors (at least)", broken, 1, bool(broken)))
    return rows
