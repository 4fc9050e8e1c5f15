"""What a trained CEN shows: `python -m recipes.evidence.report.shows RUN [--out recipes/results]`.

    python -m recipes.train rooms_tiny
    python -m recipes.evidence.report.shows runs/rooms_tiny

Writes shows.md and its pictures: how much is exchanged where and in which direction, the scales and
the ensemble's weights over the training, and maps of one view before and after the exchange.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path
from cen_keras.training import console as consoles
from cen_keras.training.backend import prepare_backend
from cen_keras.training.console import percent
from cen_keras.training.run_folder import load_best
from cen_keras.training.task import read_recipe, task_of
from recipes.evidence.experiments.studies import RESULTS

TEXT = """\
# What the exchange does in one net

Written by `recipes.evidence.report.shows`; do not edit. `{run}` ({recipe}), {epochs} epochs; one run, so an
example and no statistics.

## How much, where, in which direction

{share} % of the penalised channels are exchanged, in {exchanging} of {layers} norms that may. A
modality's own part is what its penalty acts on; "a → b" is the share of b's own part that holds a's
maps.

![exchange by depth](shows_exchange.png)

{table}

## Scales over the training

{scales}

![scales](shows_scales.png)

## The ensemble's weights

{ensemble}

![ensemble](shows_ensemble.png)

## Maps of one view

View {view} of `{split}`. Per norm (of more than six, six) and direction the replaced channel whose
donated map varies most over the view: the clearest one, not a typical one. Left what the stream's own
norm gives there, right what stands there instead, both before the ReLU, on one scale (blue negative,
red positive) in each pair. {maps} How small the own map is follows from its scale, which only
the penalty has moved since the channel was replaced: it says nothing of what the stream's filter saw.

![maps](shows_maps.png)

Made by `{command}` at commit {commit} with {backend}.
"""


def open_run(run: Path) -> tuple[Any, Any, Any]:
    """Returns a run's recipe, its net (of a Translator the generator) and its evaluation's loader.

    Raises:
        InputError: there is no run, or it does not exchange.
    """
    recipe = read_recipe(run)
    prepare_backend(recipe)
    model = load_best(run)
    net = getattr(model, "generator", model)
    from recipes.evidence.report.exchanged_maps import exchanging_norms

    if not exchanging_norms(net):
        raise InputError(
            f"{run} does not exchange, so it has nothing to show; give a run with two modalities or "
            "more and a model.fusion.threshold, for instance of `python -m recipes.train "
            "rooms_tiny`."
        )
    return recipe, net, task_of(recipe).open_loader(recipe, recipe.evaluation.split, training=False)


def view_of(loader: Any, index: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns a view's pictures for people, and its inputs in a batch of one.

    Raises:
        InputError: there is no such view.
    """
    if not 0 <= index < len(loader.views):
        raise InputError(
            f"--view {index}: the split has the views 0 to {len(loader.views) - 1}; take one of these."
        )
    batch, row = divmod(index, loader.batch_size)
    inputs = {name: np.asarray(x)[row : row + 1] for name, x in loader[batch][0].items()}
    raw = loader.views[index]
    pictures = {}
    for name in loader.modalities:
        picture = np.asarray(raw.get(name, inputs[name][0]))
        # Of a modality that joins several domains the first is shown.
        flat = picture.ndim == 2 or picture.shape[-1] == 1
        pictures[name] = picture.reshape(picture.shape[:2]) if flat else picture[..., :3]
        if pictures[name].ndim == 3 and pictures[name].dtype != np.uint8:
            low, high = pictures[name].min(), pictures[name].max()
            stretched = 255 * (pictures[name] - low) / max(high - low, 1e-6)
            pictures[name] = stretched.astype("uint8")
    return pictures, inputs


def show(run: Path, out: Path, index: int = 0) -> None:
    """Writes shows.md and its pictures.

    Args:
        run: a run folder.
        out: folder of what is written.
        index: of the view of the evaluation's split.

    Raises:
        InputError: the run does not fit, or there is no such view.
    """
    from cen_keras.metrics.exchange_rate import exchange_rate
    from cen_keras.training import machine
    from cen_keras.training.scale_history import read_scales
    from recipes.evidence.report import shows_plots
    from recipes.evidence.report.exchanged_maps import exchanging_norms, replaced_maps
    from recipes.evidence.report.rendering import markdown

    recipe, net, loader = open_run(run)
    try:
        pictures, inputs = view_of(loader, index)
    finally:
        loader.close()
    scales, rate, norms = read_scales(run), exchange_rate(net), exchanging_norms(net)
    modalities, theta = norms[0].modalities, norms[0].exchange_threshold
    parts = {layer.name: {m: layer.own_part(m) for m in modalities} for layer in norms}
    found = replaced_maps(net, inputs)
    for name, figure in (
        ("exchange", shows_plots.exchange_bars(rate["layers"], modalities)),
        ("scales", shows_plots.scale_heatmaps(scales, parts, theta)),
        ("ensemble", shows_plots.ensemble_lines(scales)),
        ("maps", shows_plots.map_grid(pictures, found, modalities)),
    ):
        shows_plots.save(figure, out / f"shows_{name}.png")
    head = ["norm", *(f"{shows_plots.direction(m, modalities)} %" for m in modalities)]
    body = [[n, *(percent(p[m], 0) for m in modalities)] for n, p in rate["layers"].items()]
    text = TEXT.format(
        run=run,
        recipe=recipe.name,
        epochs=int(scales.epochs[-1]),
        share=percent(rate["share_of_penalised"]),
        exchanging=rate["layers_exchanging"],
        layers=len(norms),
        table=markdown(head, body),
        scales=_scales_text(*shows_plots.split_scales(scales, parts), theta),
        ensemble=_ensemble_text(scales),
        view=index,
        split=recipe.evaluation.split,
        maps=_maps_text(found),
        command=shlex.join(
            ["python", "-m", "recipes.evidence.report.shows", str(run), "--view", str(index)]
        ),
        commit=machine.commit(),
        backend=machine.backend(),
    )
    with atomic_path(out / "shows.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _scales_text(own, rest, theta):
    """Compares the first and the last epoch of (E, n) sizes."""
    parts = [
        f"below theta = {theta:g} are {percent((sizes[0] < theta).mean())} % of {name} before the "
        f"training and {percent((sizes[-1] < theta).mean())} % after it (median abs(gamma) "
        f"{np.median(sizes[0]):.2g} and {np.median(sizes[-1]):.2g})"
        for name, sizes in (("the own parts' scales", own), ("the others", rest))
        if sizes.size
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _ensemble_text(scales):
    parts = (
        f"{name} {first:.3f} at first, {last:.3f} at the end"
        for name, first, last in zip(scales.streams, scales.alpha[0], scales.alpha[-1], strict=True)
    )
    return f"Softmax(alpha): {'; '.join(parts)}."


def _maps_text(found):
    if not found:
        return "No channel is exchanged."
    ratios = [one.own.std() / max(one.donated.std(), 1e-12) for one in found]
    return (
        f"The own map's standard deviation over the view is {np.median(ratios):.2g} times the "
        f"donated one's in the median of the {len(found)} pairs ({min(ratios):.2g} to "
        f"{max(ratios):.2g})."
    )


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.evidence.report.shows",
        description="Show what a trained CEN exchanges.",
    )
    parser.add_argument("run", type=Path, help="run folder that recipes.train wrote")
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder; default: {RESULTS}")
    parser.add_argument(
        "--view", type=int, default=0, metavar="I", help="of the evaluated split; default: 0"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        show(options.run, options.out, options.view)
        sys.stdout.write(f"wrote shows.md and its pictures into {options.out}\n")
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
