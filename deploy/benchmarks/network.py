"""Latency and size of a full network, frozen against as trained and against one modality.

Weights are seeded: neither latency nor size depends on what a network has learnt, only on how many
channels it exchanges. Half of each modality's own channels are, and all scales are positive.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.data.labels import NYU13_CLASSES, palette

from .. import bench
from ..run_folder import RunFolder
from ..runtime.runner import open_runner
from ..schemes import SHORT_NAMES
from .forms import export_form
from .mask_export import masked
from .where_export import pools_in_two

THREADS = 2
"""Of the engine. An inference takes long enough here that both cores are kept busy, and the kernels
that `where` falls back to use one: with one thread int8 comes to 0.69 of `where` instead of 0.53."""
OPENINGS = 5
"""Of each artifact, the fastest of which counts: an engine whose threads began on one core stays a
quarter slower for some time, whatever the graph."""


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """What is measured.

    Attributes:
        backbone, decoder: of the `Segmenter`.
        size: height and width.
        share: of each modality's own channels that are exchanged.
        decoder_options: of the `Segmenter`.
    """

    backbone: str = "resnet50"
    decoder: str = "light_refinenet"
    size: tuple[int, int] = (240, 320)
    share: float = 0.5
    decoder_options: dict[str, Any] = dataclasses.field(default_factory=dict)


def seeded(network: NetworkSpec, modalities: tuple[str, ...] = ("rgb", "depth"), seed: int = 0):
    """Builds a `Segmenter` with seeded weights and scales.

    Args:
        network: what to build.
        modalities: of the model.
        seed: of everything.

    Returns:
        The model; of each modality's own part of an exchanging norm, `share` of the scales is 0.
    """
    import keras

    from cen_keras.models import Segmenter

    keras.utils.set_random_seed(seed)
    model = Segmenter(
        modalities,
        num_classes=len(NYU13_CLASSES),
        backbone=network.backbone,
        decoder=network.decoder,
        decoder_options=dict(network.decoder_options),
    )
    give_scales(model, network.share, seed)
    return model


def give_scales(model, share: float, seed: int = 0) -> None:
    """Gives all norms of a model seeded scales and statistics.

    Args:
        model: a `Segmenter`.
        share: of each modality's own part of an exchanging norm that becomes 0.
        seed: of the draws.
    """
    from cen_keras.layers import ModalityNorm

    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if not isinstance(layer, ModalityNorm):
            continue
        for modality in layer.modalities:
            norm = layer.norm(modality)
            gamma = generator.uniform(0.2, 1.0, norm.gamma.shape[0])
            if layer.exchange_threshold is not None:
                own = np.arange(len(gamma))[layer.own_part(modality)]
                count = round(share * len(own))
                gamma[generator.choice(own, count, replace=False)] = 0.0
            norm.gamma.assign(gamma)
            norm.beta.assign(generator.normal(0, 0.1, len(gamma)))
            norm.moving_mean.assign(generator.normal(0, 0.1, len(gamma)))
            norm.moving_variance.assign(generator.uniform(0.5, 1.5, len(gamma)))


def measure(
    out: Path,
    say: Callable[[str], None],
    network: NetworkSpec | None = None,
    rounds: int = 40,
    threads: int | None = THREADS,
) -> dict[str, Any]:
    """Exports every form of the network and times them interleaved.

    Args:
        out: folder for the artifacts.
        say: takes one line of progress.
        network: what to measure.
        rounds: timed rounds, over all openings.
        threads: of the engine.

    Returns:
        `latency_ratio`, `size_ratio` and `details`.
    """
    network = network or NetworkSpec()
    model = seeded(network)
    artifacts, folder = {}, out / "network"
    # As trained, with the passes of a frozen file and without.
    forms = (
        ("frozen", model, False, None),
        ("where", pools_in_two(model), True, "xnnpack"),
        ("untuned", model, True, "none"),
        ("mask", masked(model), True, "none"),
    )
    for form, graph, as_trained, tune in forms:
        say(f"exporting {network.backbone} {network.decoder}, {form}")
        wanted = tuple(SHORT_NAMES) if form in ("frozen", "where") else ("int8",)
        run, options = imagined_run(out, graph.input, network), (as_trained, wanted, tune)
        artifacts.update(export_form(folder, form, graph, run, network.size, "all", *options))
    del model, graph, forms
    say("exporting one modality")
    alone = seeded(network, ("rgb",))
    one = export_form(folder, "one", alone, imagined_run(out, alone.input, network), network.size)
    sizes = {name: path.stat().st_size for name, path in {**artifacts, **one}.items()}
    say(f"timing {len(artifacts)} artifacts, {rounds} rounds")
    times = []
    for _ in range(OPENINGS):
        runners = {name: open_runner(path, threads) for name, path in artifacts.items()}
        times.append(bench.measure(runners, -(-rounds // OPENINGS), warm_up=3))
    infer = {
        name: min((t[name]["infer"] for t in times), key=lambda phase: phase["p50"])
        for name in artifacts
    }
    p50 = {name: found["p50"] for name, found in infer.items()}
    rows = []
    for name, runner in runners.items():
        row = bench.provenance(runner, threads, rounds)
        row.update({f"infer_{key}_ms": round(infer[name][key], 4) for key in ("p50", "p95")})
        rows.append(row)
    bench.append_rows(out / "bench.csv", rows)
    return {
        "latency_ratio": {
            "int8_same_passes": p50["frozen_int8"] / p50["where_int8"],
            "int8_untuned": p50["frozen_int8"] / p50["untuned_int8"],
            "fp32": p50["frozen_fp32"] / p50["where_fp32"],
            "int8_vs_mask": p50["frozen_int8"] / p50["mask_int8"],
        },
        "size_ratio": {
            name: sizes[f"frozen_{name}"] / sizes[f"one_{name}"] for name in SHORT_NAMES
        },
        "details": {
            "network": dataclasses.asdict(network),
            "threads": threads,
            "rounds": rounds,
            "processor": bench.processor(),
            "p50_ms": p50,
            "bytes": sizes,
        },
    }


def imagined_run(out: Path, inputs: dict, network: NetworkSpec) -> RunFolder:
    """What a run folder would say of data that the seeded network has never seen."""
    normal = {
        "rgb": {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        "depth": {"scale": 1.0, "mean": [0.0], "std": [1.0]},
    }
    data = {
        "task": "segmentation",
        "dataset": None,
        "modalities": [name for name in normal if name in inputs],
        "classes": list(NYU13_CLASSES),
        "palette": [[int(c) for c in colour] for colour in palette(len(NYU13_CLASSES))],
        "normalization": normal,
        "image_shape": list(network.size),
    }
    return RunFolder(out, data)
