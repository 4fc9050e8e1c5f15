"""Which layers 8 bits cost most, and which of them to leave in float until accuracy is back.

All layers are in 8 bits but one and those that read its output, which stay in float: what that
takes off the noise of the logits is this layer's share of it, that of its weights and that of the
map it makes. (With the layer alone in float its map would be rounded for the next one all the
same.) Noise powers of independent roundings add up, so the shares of several layers do too, nearly.
Comparing every tensor with the float model's instead cannot tell a layer's own noise from what it
was handed.
"""

import dataclasses
import decimal
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError

from ..artifacts import apply_scheme, float_artifact
from ..calibration import CalibrationChoice
from ..run_folder import RunFolder
from ..runtime import manifest as manifests
from ..target import Samples
from ..verify import verify_artifact
from .graph import WEIGHTED, Operator, layer_name, read_operators
from .model import pack, unpack
from .passes.fitting_biases import fit_biases
from .passes.signature_outputs import match_signature
from .passes.tight_ranges import rescaled, tighten
from .pipeline import TFLITE
from .quantizer import Static
from .samples import outputs_of

RANKED_SCHEME = "static_w8a8"
# What computes; pooling, padding, joining and resizing hand on what they get.
KINDS = (*WEIGHTED, "ADD", "MUL")
# Samples on which noise is measured; the ranking settles with few.
_PROBES = 8
# Training views on which `choose_float_layers` counts mIoU.
_VIEWS = 200


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer's part in the noise.

    Attributes:
        name: as `--float-layers` takes it.
        kind: of its operator, such as "CONV_2D".
        together: the layers that stay in float with it, itself among them.
        share: by how much of all noise power it is less with these in float; below zero where roundings
            happen to cancel.
    """

    name: str
    kind: str
    share: float
    together: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """The ranking.

    Attributes:
        noise: relative noise power of the logits with every layer in 8 bits.
        layers: the most costly first.
    """

    noise: float
    layers: tuple[Layer, ...]

    def to_json(self) -> dict[str, Any]:
        """For the file; `sqnr_db` is the noise in decibels below the signal."""
        return {
            "noise": self.noise,
            "sqnr_db": float(-10 * np.log10(max(self.noise, 1e-30))),
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
        }


def rank(
    content: bytes,
    samples: Samples,
    say: Callable[[str], None] | None = None,
    probes: int = _PROBES,
) -> Sensitivity:
    """Ranks the layers of a float file.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name; all give ranges, the first `probes` noise.
        say: takes a line of progress now and then.
        probes: samples on which noise is measured.
    """
    static, floats = Static(content, samples), unpack(content)
    probed = {name: array[:probes] for name, array in samples.items()}
    wanted = outputs_of(content, probed)

    def in_8_bits(but: Sequence[Operator] = ()):
        model = static.quantise(but, integer_io=False)
        match_signature(model)
        fit_biases(model, floats)
        return model

    model, factor = tighten(in_8_bits(), floats, samples)
    whole = _noise(outputs_of(pack(model), probed), wanted)
    operators = read_operators(content)
    computing = [operator for operator in operators if operator.kind in KINDS]
    layers, start = [], time.monotonic()
    for number, operator in enumerate(computing, 1):
        group = [operator, *_readers(operator, operators)]
        model = rescaled(in_8_bits(group), floats, factor)
        left = _noise(outputs_of(pack(model), probed), wanted)
        names = tuple(dict.fromkeys(layer_name(member) for member in group))
        share = (whole - left) / max(whole, 1e-30)
        layers.append(Layer(names[0], operator.kind, share, names))
        if say is not None and number % 20 == 0:
            left_s = (time.monotonic() - start) / number * (len(computing) - number)
            say(f"{number} of {len(computing)} layers, about {left_s:.0f} s left")
    return Sensitivity(whole, tuple(sorted(layers, key=lambda layer: -layer.share)))


def rank_run(
    run: RunFolder,
    outputs: str = "all",
    image_shape: tuple[int, int] | None = None,
    calibration: CalibrationChoice | None = None,
    say: Callable[[str], None] | None = None,
) -> Sensitivity:
    """Ranks the layers of a trained run; arguments as for `artifacts.export`."""
    content, _, samples = _float(run, outputs, image_shape, calibration)
    return rank(content, samples.arrays, say)


def choose_float_layers(
    run: RunFolder,
    budget: float,
    *,
    outputs: str = "all",
    image_shape: tuple[int, int] | None = None,
    calibration: CalibrationChoice | None = None,
    head: str = "logits",
    count: int = _VIEWS,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[str, ...]:
    """Leaves the most costly layers in float, twice as many each time up to half, until mIoU is back.

    Args:
        run: the trained run.
        budget: mIoU points that any output may lose.
        outputs: as for `artifacts.export`.
        image_shape: likewise.
        calibration: likewise.
        head: "logits" or "upsampled", whose last convolutions have other names.
        count: views of the training split on which mIoU is counted; held-out ones stay unseen.
        say: takes lines of progress.

    Returns:
        Names of the layers; none where 8 bits are within the budget as they are.

    Raises:
        InputError: the budget is not met with half of the layers in float; the message names the
            least that is. Or no training view has a label.
    """
    if not budget > 0:
        raise InputError(f"--float-budget must be above 0 points; found {budget:g}")
    content, manifest, samples = _float(run, outputs, image_shape, calibration, head)
    count = min(count, len(run.views("train")))
    ranking: Sensitivity | None = None
    best, best_names = math.inf, ()
    amount = 0
    while True:
        chosen = ranking.layers[:amount] if ranking else ()
        names = tuple(dict.fromkeys(name for layer in chosen for name in layer.together))
        drop = _drop(run, content, manifest, samples, names, count)
        say(f"{len(names)} layers in float: {drop:+.2f} points on {count} training views")
        if math.isnan(drop):
            raise InputError(f"{run.path}: none of {count} training views has a label; no mIoU")
        if drop <= budget:
            return names
        if drop < best:
            best, best_names = drop, names
        if ranking is None:
            ranking = rank(content, samples.arrays, say)
        half = len(ranking.layers) // 2
        if amount == half:
            least = _rounded_up(best)
            raise InputError(
                f"{run.path}: 8 bits cost {least} points at the least, with {len(best_names)} "
                f"layers in float, allowed {budget:g}; allow --float-budget {least} or train with "
                "quantisation (`python -m deploy qat`)"
            )
        amount = min(max(1, 2 * amount), half)


def _readers(operator: Operator, operators: list[Operator]) -> list[Operator]:
    """The operators that read an operator's output, and what lies on the way to computing ones."""
    found: dict[tuple[int, ...], Operator] = {}
    made = list(operator.outputs)
    while made:
        tensor = made.pop()
        for reader in operators:
            if tensor in reader.inputs and reader.outputs not in found:
                found[reader.outputs] = reader
                if reader.kind not in KINDS:
                    made.extend(reader.outputs)
    return list(found.values())


def _drop(run, content, manifest, samples, names, count) -> float:
    quantised, described = apply_scheme(
        content, manifest, TFLITE, RANKED_SCHEME, samples, float_layers=names
    )
    with tempfile.TemporaryDirectory(prefix="cen-keras-float-layers-") as folder:
        path = Path(folder) / "trial.tflite"
        manifests.save(described, path, quantised)
        return verify_artifact(path, run, count=count, split="train")["worst_drop"]


def _rounded_up(points: float) -> decimal.Decimal:
    """To hundredths, never below: as a budget it is met."""
    return decimal.Decimal(points).quantize(decimal.Decimal("0.01"), decimal.ROUND_CEILING)


def _float(run: RunFolder, outputs, image_shape, calibration, head="logits"):
    shape = image_shape or run.image_shape
    content, manifest = float_artifact(run, run.model(), TFLITE, outputs, shape, head=head)
    return content, manifest, (calibration or CalibrationChoice()).samples(run, manifest.inputs)


def _noise(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    """Noise power over signal power, averaged over the outputs."""
    return float(
        np.mean([((found[n] - v) ** 2).sum() / max((v**2).sum(), 1e-30) for n, v in wanted.items()])
    )
