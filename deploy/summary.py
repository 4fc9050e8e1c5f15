"""What a walk through everything came to, in one dict, and whether it is what it should be."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError

from .report.data import CONTENDERS, read_json
from .runtime import manifest as manifests
from .runtime.files import beside
from .schemes import SHORT_NAMES
from .walkthrough import CONTROLS, Places


@dataclass(frozen=True)
class Check:
    """One number and what it should be.

    Attributes:
        name: in words.
        value: as measured.
        limit: what it is held against.
        at_most: the limit is an upper one; otherwise a lower one.
        decides: a failure fails the walk; latency on somebody's machine is only reported.
    """

    name: str
    value: float
    limit: float
    at_most: bool
    decides: bool = True

    @property
    def passed(self) -> bool:
        """Whether the value is on the right side; NaN never is."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def to_json(self) -> dict[str, Any]:
        """For the summary."""
        relation = "at most" if self.at_most else "at least"
        return {
            "check": self.name,
            "value": self.value,
            "wanted": f"{relation} {self.limit:g}",
            "passed": self.passed,
        }


def summarise(places: Places, seconds: dict[str, float]) -> dict[str, Any]:
    """Gathers the numbers that the steps left.

    Args:
        places: of the walk.
        seconds: how long each step took.

    Returns:
        `miou` (points, 0 to 100) by model and output, `exchange`, `freeze`, `latency_ms` (p50),
        `bytes`, `seconds` and `artifact` (paths relative to the working folder).

    Raises:
        InputError: a step's result is missing.
    """
    run = places.run
    scores = _need(run / "scores.json")
    frozen = _need(run / "frozen.verify.json")
    timed = _need(places.latency)
    latency = timed["artifacts"]
    verified = {name: _need(beside(places.artifact(name), ".verify.json")) for name in SHORT_NAMES}
    controls = {name: _need(places.control(name) / "scores.json") for name in CONTROLS}
    held = {name: manifests.load(places.artifact(name)) for name in SHORT_NAMES}
    return {
        "miou": {
            "float": _points(frozen, "reference"),
            "frozen": _points(frozen, "candidate"),
            **{name: _points(result, "candidate") for name, result in verified.items()},
            "control": {
                name: 100 * result["streams"]["ensemble"]["miou"]
                for name, result in controls.items()
            },
        },
        "exchange": {
            key: scores["exchange"][key] for key in ("share_of_penalised", "layers_exchanging")
        },
        "freeze": {"relative_error": frozen["relative_error"]},
        "latency_ms": {name: latency[name]["infer"]["p50"] for name in CONTENDERS},
        "latency_input": latency[CONTENDERS[0]]["row"]["input"],
        "latency_threads": timed["threads"],
        "bytes": {
            "keras": (run / "best.keras").stat().st_size,
            **{name: manifest.file_bytes for name, manifest in held.items()},
            **{name: latency[name]["row"]["bytes"] for name in CONTENDERS},
        },
        "seconds": {**seconds, "total": sum(seconds.values())},
        "artifact": {name: os.path.relpath(places.artifact(name)) for name in SHORT_NAMES},
        "views": frozen["count"],
    }


def checks(summary: dict[str, Any]) -> list[Check]:
    """What the numbers of a full walk are held against."""
    miou, latency = summary["miou"], summary["latency_ms"]
    streams = {name: value for name, value in miou["float"].items() if name != "ensemble"}
    ensemble = miou["float"]["ensemble"]
    drop = max(miou["float"][name] - miou["int8"][name] for name in miou["float"])
    return [
        Check(
            "share of the penalised channels exchanged",
            summary["exchange"]["share_of_penalised"],
            0.10,
            at_most=False,
        ),
        Check("layers exchanging", summary["exchange"]["layers_exchanging"], 2, at_most=False),
        Check(
            "ensemble below the better stream, points",
            max(streams.values()) - ensemble,
            0.5,
            at_most=True,
        ),
        *(
            Check(
                f"ensemble above {name.replace('_', ' ')}, points",
                ensemble - value,
                5.0,
                at_most=False,
            )
            for name, value in miou["control"].items()
        ),
        Check("frozen logits, relative error", summary["freeze"]["relative_error"], 1e-5, True),
        Check("int8 below float, points", drop, 1.0, at_most=True),
        *(
            Check(
                f"{scheme} latency, frozen to as trained",
                latency[f"frozen_{scheme}"] / latency[f"as_trained_{scheme}"],
                limit,
                at_most=True,
                decides=False,
            )
            for scheme, limit in (("int8", 0.9), ("fp32", 1.05))
        ),
    ]


def _points(result: dict[str, Any], side: str) -> dict[str, float]:
    return {name: 100 * output[side]["miou"] for name, output in result["outputs"].items()}


def _need(path: Path) -> Any:
    value = read_json(path)
    if value is None:
        raise InputError(f"{path}: missing; run the walkthrough again, it takes the missing steps")
    return value
