"""What a target is: a file format, how it is written, and the passes from a float file to any scheme."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .runtime.tensors import Quantization

Samples = Mapping[str, np.ndarray]
"""Calibration samples: float32 (n, h, w, c) by input name, normalised as the network is fed."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a signature as the file has it; `tensor` is its name there where that differs."""

    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None
    layout: str = "NHWC"
    tensor: str = ""


@dataclass(frozen=True)
class GraphTensors:
    """Inputs and outputs of the signature, by name."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@dataclass(frozen=True)
class Wanted:
    """What a file is to become.

    Attributes:
        scheme: a name in `SCHEMES`.
        samples: for a calibrated scheme.
        integer_io: inputs and outputs are integer codes where the scheme has them.
        float_layers: layers of the frozen graph that stay in float32.
        tune: whose kernels the graph is shaped for, one of the target's `tunings`; the numbers are
            the same.
    """

    scheme: str
    samples: Samples | None = None
    integer_io: bool = True
    float_layers: tuple[str, ...] = ()
    tune: str = "none"


@dataclass
class Work:
    """A model on its way through a target's passes.

    Attributes:
        model: in memory, as the target's library has it; passes change it or put another in its
            place.
        wanted: what it is to become.
        floats: the model before it was quantised.
        report: what passes have to tell, for the manifest.
    """

    model: Any
    wanted: Wanted
    floats: Any = None
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pass:
    """One step; what it needs and what it promises stands in its module.

    Attributes:
        name: of its module.
        run: does it.
        when: whether it is done.
    """

    name: str
    run: Callable[[Work], None]
    when: Callable[[Wanted], bool] = lambda wanted: True


def run_passes(passes: Sequence[Pass], work: Work) -> None:
    """Runs all passes that are wanted, in order."""
    for step in passes:
        if step.when(work.wanted):
            step.run(work)


@dataclass(frozen=True)
class Target:
    """One target.

    Attributes:
        name: as on the command line and in the manifest.
        suffix: of its files, with the dot.
        schemes: names of those that it has.
        tunings: for `--tune`, the usual one first.
        libraries: whose versions the manifest keeps.
        write: makes the bytes of a float file from a Keras model and (height, width).
        make: makes the bytes of another scheme from those of a float file and a `Wanted`, by the
            target's PASSES, and a report for the manifest.
        read_tensors: lists the signature's tensors from a file's bytes.
        check: refuses a file (bytes) that the engine would run slowly; None where nobody can tell.
    """

    name: str
    suffix: str
    schemes: tuple[str, ...]
    tunings: tuple[str, ...]
    libraries: tuple[str, ...]
    write: Callable[[Any, tuple[int, int]], bytes]
    make: Callable[[bytes, Wanted], tuple[bytes, dict[str, Any]]]
    read_tensors: Callable[[bytes], GraphTensors]
    check: Callable[[bytes], None] | None = None
