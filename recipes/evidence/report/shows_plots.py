"""The pictures of shows.py: exchange by depth, scales and ensemble over the training, maps."""

from pathlib import Path

import matplotlib.figure
import numpy as np
from PIL import Image

from cen_keras.files import atomic_path
from cen_keras.training.scale_history import Scales
from cen_keras.visualization import save_png
from recipes.evidence.report.exchanged_maps import Replaced

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
GREY = "#777777"
LARGEST = 150_000
"""Bytes of a picture; a larger one gets a palette."""

MOST_ROWS = 6
"""Layers of which maps are shown."""

LEAST_SCALE = 1e-5
"""Scales below this count as this in the histograms, whose axis is logarithmic."""


def save(figure: matplotlib.figure.Figure, path: Path) -> None:
    """Writes a figure as a PNG, with a palette of 256 colours if it would be too large."""
    save_png(figure, path)
    if path.stat().st_size > LARGEST:
        with Image.open(path) as image, atomic_path(path) as temporary:
            image.convert("RGB").quantize(256).save(temporary, format="png", optimize=True)


def direction(receiver: str, modalities: tuple[str, ...]) -> str:
    """Returns "donor → receiver"; with several donors "others → receiver"."""
    donors = [name for name in modalities if name != receiver]
    return f"{donors[0] if len(donors) == 1 else 'others'} → {receiver}"


def exchange_bars(
    layers: dict[str, dict[str, float]], modalities: tuple[str, ...]
) -> matplotlib.figure.Figure:
    """Bars of the exchanged share of each modality's own part, layer by layer.

    Args:
        layers: of `exchange_rate`: layer -> receiver -> share in 0..1.
        modalities: names, in order.
    """
    figure = matplotlib.figure.Figure((9.6, 3.8), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(modalities)
    for number, name in enumerate(modalities):
        x = np.arange(len(layers)) + (number - (len(modalities) - 1) / 2) * width
        heights = [100 * parts[name] for parts in layers.values()]
        bars = axes.bar(
            x, heights, width, color=COLOURS[number % 4], label=direction(name, modalities)
        )
        if len(layers) <= 12:
            axes.bar_label(bars, fmt="%.0f", fontsize=8, padding=1)
    many = len(layers) > 8
    names = [layer.replace("_", "\n", 1) if not many else layer for layer in layers]
    axes.set_xticks(
        range(len(layers)), names, fontsize=8 if not many else 6, rotation=90 if many else 0
    )
    axes.set(
        ylim=(0, 112),
        yticks=range(0, 101, 25),
        ylabel="exchanged, % of the receiver's own part",
        xlabel="exchanging norm, from input to output",
    )
    axes.grid(axis="y", color="#e4e4e4", lw=0.6)
    axes.set_axisbelow(True)
    axes.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    return figure


def scale_heatmaps(
    scales: Scales, parts: dict[str, dict[str, slice]], theta: float
) -> matplotlib.figure.Figure:
    """Histograms of |gamma| per epoch, of each modality's own part and of the rest.

    Args:
        scales: the run's.
        parts: layer -> modality -> own channels.
        theta: drawn as a line.
    """
    own, rest = split_scales(scales, parts)
    edges = np.geomspace(LEAST_SCALE, max(1.0, own.max(), rest.max(initial=0)) * 1.01, 41)
    figure = matplotlib.figure.Figure((9.6, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for one, values, title in zip(
        axes, (own, rest), ("own part (penalised and exchanged)", "the other channels"), strict=True
    ):
        shares = np.stack([histogram(row, edges) for row in values], axis=1)
        mesh = one.pcolormesh(
            # Rows of a run that went on from an older one may not be one epoch apart.
            np.append(scales.epochs - 0.5, scales.epochs[-1] + 0.5),
            edges,
            100 * shares,
            cmap="Blues",
            vmin=0,
            vmax=25,
        )
        one.axhline(theta, color=COLOURS[1], lw=1.2, label=f"theta = {theta:g}")
        one.set_yscale("log")
        one.set(title=title, xlabel="epoch")
        one.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_ylabel(f"$|\\gamma|$, lowest row: {LEAST_SCALE:g} and less")
    axes[1].legend(fontsize=9, loc="lower left")
    figure.colorbar(mesh, ax=axes, label="% of the channels", extend="max")
    return figure


def split_scales(
    scales: Scales, parts: dict[str, dict[str, slice]]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns |gamma| of all own parts and of all other channels, (E, n) and (E, m)."""
    own, rest = [], []
    for layer, modalities in scales.gammas.items():
        for modality, values in modalities.items():
            inside = np.zeros(values.shape[1], bool)
            inside[parts[layer][modality]] = True
            own.append(np.abs(values[:, inside]))
            rest.append(np.abs(values[:, ~inside]))
    return np.concatenate(own, axis=1), np.concatenate(rest, axis=1)


def histogram(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Returns the share of (n,) values in each bin; those below all edges fall into the lowest."""
    counts, _ = np.histogram(np.maximum(values, edges[0]), edges)
    return counts / max(1, values.size)


def ensemble_lines(scales: Scales) -> matplotlib.figure.Figure:
    """Softmax(alpha) of every stream over the epochs."""
    figure = matplotlib.figure.Figure((5.6, 3.2), layout="constrained")
    axes = figure.subplots()
    equal = 1 / len(scales.streams)
    axes.axhline(equal, color=GREY, ls="--", lw=1, label="equal weights")
    for number, name in enumerate(scales.streams):
        axes.plot(
            scales.epochs,
            scales.alpha[:, number],
            "o-",
            ms=4,
            color=COLOURS[number % 4],
            label=name,
        )
    far = max(0.05, 1.3 * float(np.abs(scales.alpha - equal).max()))
    axes.set(ylim=(equal - far, equal + far), xlabel="epoch", ylabel="weight in the ensemble")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="#e4e4e4", lw=0.6)
    axes.legend(fontsize=9, loc="best")
    return figure


def evenly(names: list[str], most: int) -> list[str]:
    """Returns at most so many of some names, evenly spread, the first and the last among them."""
    if len(names) <= most:
        return names
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)]


def map_grid(
    view: dict[str, np.ndarray], found: list[Replaced], modalities: tuple[str, ...]
) -> matplotlib.figure.Figure:
    """The view, and below it for layer and receiver the replaced map beside the donated one.

    Of more than `MOST_ROWS` layers some are left out, evenly.

    Args:
        view: modality -> picture: (h, w, 3) uint8, or (h, w) floats.
        found: of `replaced_maps`.
        modalities: names, in order.
    """
    layers = evenly(list(dict.fromkeys(one.layer for one in found)), MOST_ROWS)
    rows, columns = len(layers) + 1, 2 * len(modalities)
    shape = next(iter(view.values())).shape
    width = 2.25
    height = width * shape[0] / shape[1] + 0.34
    figure = matplotlib.figure.Figure((width * columns + 0.3, rows * height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.ravel():
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(False)
    for column, name in enumerate(modalities):
        picture = axes[0, 2 * column]
        picture.imshow(view[name], cmap="viridis")
        picture.set_title(name, fontsize=9)
    for row in range(1, rows):
        for name, column in zip(modalities, range(0, columns, 2), strict=True):
            note = f"{name}: nothing replaced"
            axes[row, column].text(0.5, 0.5, note, ha="center", va="center", color=GREY, fontsize=8)
    for one in (one for one in found if one.layer in layers):
        row, column = layers.index(one.layer) + 1, 2 * modalities.index(one.receiver)
        limit = max(np.abs(one.own).max(), np.abs(one.donated).max(), 1e-6)
        donor = direction(one.receiver, modalities).split(" → ")[0]
        for offset, values, title in (
            (0, one.own, f"{one.receiver}'s own, channel {one.index}"),
            (1, one.donated, f"replaced by {donor}'s"),
        ):
            axes[row, column + offset].clear()
            axes[row, column + offset].imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes[row, column + offset].set(xticks=[], yticks=[])
            axes[row, column + offset].set_title(title, fontsize=8)
            # A map that is one pale colour shall still be seen as a map.
            axes[row, column + offset].spines[:].set(visible=True, color=GREY, linewidth=0.6)
    for row, layer in enumerate(layers, start=1):
        axes[row, 0].set_ylabel(layer.removesuffix("_norm1"), fontsize=8)
    return figure
