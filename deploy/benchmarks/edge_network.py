"""The network of cen_edge_m at 480x640: frozen against as trained, and what the second modality costs.

With the packed weights, of which 96 % of the penalised channels are exchanged. Two modalities are
held against one with the ensemble as the only output, once for every place at which the decoder can
join the streams; the joined decoders have the weights of the separate one here, which their time does
not depend on (`rooms_edge_m_joined` trains them, `docs/measurements/join.csv` has their scores).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from .. import bench
from ..preset_run import unpack
from ..run_folder import RunFolder, open_run
from ..runtime.runner import open_runner
from ..schemes import SHORT_NAMES
from . import network
from .forms import export_form
from .where_export import pools_in_two

PRESET = "cen_edge_m_rooms"
JOINS = (None, "P2", "P3", "P4", "P5")
JOINED = "P5"
"""The place whose ratio of two modalities to one is held against a limit."""


def measure(
    out: Path, say: Callable[[str], None], rounds: int = 40, threads: int = network.THREADS
) -> dict[str, Any]:
    """Exports every form of the network and times them interleaved.

    Args:
        out: folder for the artifacts.
        say: takes one line of progress.
        rounds: timed rounds, over all openings.
        threads: of the engine.

    Returns:
        `latency_ratio` and `details`, in them the milliseconds of every form.
    """
    from cen_keras.models import Segmenter

    run = open_run(unpack(PRESET))
    folder = out / "edge_network"
    paths = {}

    def export(form: str, model: keras.Model, of: RunFolder, outputs: str, **options: Any):
        say(f"exporting {form}")
        paths.update(export_form(folder, form, model, of, run.image_shape, outputs, **options))

    model = Segmenter.from_preset(PRESET)
    export("frozen", model, run, "all", formats=("int8",))
    as_trained = {"as_trained": True, "formats": ("int8",)}
    export("where", pools_in_two(model), run, "all", tune="xnnpack", **as_trained)
    export("untuned", model, run, "all", tune="none", **as_trained)
    for join in JOINS:
        options = {**model.decoder_options, "join": join}
        joined = Segmenter.from_preset(PRESET, decoder_options=options)
        export(f"two_{join or 'apart'}", joined, run, "ensemble")
    one = network.NetworkSpec(
        model.backbone, model.decoder, run.image_shape, decoder_options=model.decoder_options
    )
    alone = network.seeded(one, ("rgb",))
    export("one", alone, network.imagined_run(out, alone.input, one), "ensemble")
    p50 = _times(paths, say, rounds, threads)
    ratio = {
        "edge_int8_same_passes": p50["frozen_int8"] / p50["where_int8"],
        "edge_int8_untuned": p50["frozen_int8"] / p50["untuned_int8"],
    }
    over_one = {
        f"{join or 'apart'}_{scheme}": p50[f"two_{join or 'apart'}_{scheme}"] / p50[f"one_{scheme}"]
        for join in JOINS
        for scheme in SHORT_NAMES
    }
    ratio |= {f"two_over_one_{scheme}": over_one[f"{JOINED}_{scheme}"] for scheme in SHORT_NAMES}
    details = {
        "preset": PRESET,
        "joined": JOINED,
        "two_over_one": over_one,
        "p50_ms": p50,
        "bytes": {name: path.stat().st_size for name, path in paths.items()},
        "threads": threads,
        "rounds": rounds,
        "processor": bench.processor(),
        "cores": os.cpu_count(),
    }
    return {"latency_ratio": ratio, "details": details}


def _times(
    paths: dict[str, Path], say: Callable[[str], None], rounds: int, threads: int
) -> dict[str, float]:
    """Returns the median milliseconds of an inference, of each artifact's fastest opening."""
    say(f"timing {len(paths)} artifacts, {rounds} rounds")
    found: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(network.OPENINGS):
        runners = {name: open_runner(path, threads) for name, path in paths.items()}
        times = bench.measure(runners, -(-rounds // network.OPENINGS), warm_up=3)
        for name, phases in times.items():
            found[name].append(phases["infer"]["p50"])
    return {name: min(values) for name, values in found.items()}
