"""Theorem 1 of CEN, measured: `python -m recipes.evidence.theorem [RUN] [--out recipes/results]`.

    python -m recipes.train rooms_tiny
    python -m recipes.evidence.theorem runs/rooms_tiny

Writes theorem.csv, theorem.md and theorem.png: how often a scale of zero is attractive, in single
channels whose gradients are drawn, in a trained net's own channels, and what became of those below the
threshold. Needs the TensorFlow backend; the 328 channels of rooms_tiny take some minutes on two
cores.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import atomic_path, write_csv
from cen_keras.training import console as consoles
from cen_keras.training.backend import prepare_backend
from cen_keras.training.run_folder import default_run, load_best
from cen_keras.training.segmentation import Recipe
from cen_keras.training.segmentation_task import open_loader
from cen_keras.training.task import read_recipe
from recipes.evidence.experiments.studies import RESULTS

COLUMNS = ("part", "case", "x", "count", "hits", "measured", "low", "high", "theorem", "sum_form")


@dataclasses.dataclass(frozen=True)
class Net:
    """What part (b) and (c) found in a run.

    Attributes:
        run: the run folder, as it was given.
        recipe: name of its recipe.
        theta: threshold.
        strength: lambda.
        exchanges: whether the net was trained with exchange.
        batches: number of batches.
        exchanging_loss: task loss on these batches as the net was trained; None without exchange.
        plain_loss: without exchange.
        channels: list of `Channel`.
        histories: list of `History`, of the same channels.
    """

    run: str
    recipe: str
    theta: float
    strength: float
    exchanges: bool
    batches: int
    exchanging_loss: float | None
    plain_loss: float
    channels: list[Any]
    histories: list[Any]


def check_run(run: Path) -> Recipe:
    """Returns the recipe of a run folder of a segmentation.

    Raises:
        InputError: there is no run, or it is no segmentation.
    """
    if not (run / "recipe.json").is_file():
        raise InputError(
            f"{run} holds no run; make one with `python -m recipes.train rooms_tiny --run {run}`, or "
            "name another run folder."
        )
    recipe = read_recipe(run)
    if not isinstance(recipe, Recipe):
        raise InputError(
            f"{run} is a translation, whose loss is of two nets; give a run of a segmentation, for "
            "instance of `python -m recipes.train rooms_tiny`."
        )
    return recipe


def measure_net(run: Path, count: int, theta: float | None, progress: Any) -> Net:
    """Measures a run's net and reads its scales.

    Args:
        run: the folder.
        count: of training batches.
        theta: threshold for a net that does not exchange; None takes the net's.
        progress: see `channel_gradients.measure`.

    Raises:
        InputError: the run does not fit.
    """
    recipe = check_run(run)
    prepare_backend(recipe)
    from cen_keras.losses.segmentation import SegmentationLoss
    from cen_keras.training.scale_history import read_scales
    from recipes.evidence.theorem.channel_gradients import measure, task_loss
    from recipes.evidence.theorem.histories import history

    scales = read_scales(run)
    model = load_best(run)
    exchanges = getattr(model.fusion, "threshold", None) is not None
    loader = open_loader(recipe, "train", training=True)
    try:
        batches = [loader[index] for index in range(min(count, len(loader)))]
    finally:
        loader.close()
    loss = SegmentationLoss(recipe.ignore, recipe.pixels_per_image)
    exchanging = task_loss(model, batches, loss) if exchanges else None
    channels = measure(model, batches, loss, theta, progress)
    return Net(
        str(run),
        recipe.name,
        channels[0].theta,
        channels[0].strength,
        exchanges,
        len(batches),
        exchanging,
        # `measure` has switched the exchange off.
        task_loss(model, batches, loss),
        channels,
        [
            history(scales.epochs, scales.gammas[c.layer][c.modality][:, c.index], c.theta)
            for c in channels
        ],
    )


def row_of(s: Any) -> dict[str, Any]:
    """Returns `Shares` as a line of the CSV; shares in 0..1."""
    numbers = (s.measured, *s.interval, s.theorem, s.sum_form)
    shown = ("" if value is None else f"{value:.6g}" for value in numbers)
    return dict(zip(COLUMNS, (s.part, s.case, f"{s.x:.6g}", s.count, s.hits, *shown), strict=True))


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.evidence.theorem",
        description="Measure Theorem 1 of CEN on drawn channels and on a trained net's.",
    )
    run = default_run("rooms_tiny")
    parser.add_argument(
        "run",
        nargs="?",
        type=Path,
        default=run,
        help=f"run folder of a segmentation that recipes.train wrote; default: {run}",
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder; default: {RESULTS}")
    parser.add_argument(
        "--batches", type=int, default=4, metavar="N", help="of the training; default: 4"
    )
    parser.add_argument(
        "--theta", type=float, help="threshold, for a net that is penalised but does not exchange"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        if options.batches < 1:
            raise InputError(f"--batches is {options.batches}; give 1 or more.")
        check_run(options.run)
        from cen_keras.quiet import stderr_kept_back

        with stderr_kept_back():
            import keras
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                f"the gradients are TensorFlow's, found the backend {keras.backend.backend()}; set "
                "KERAS_BACKEND=tensorflow."
            )
        with consoles.progress_bar("channels") as progress:
            net = measure_net(options.run, options.batches, options.theta, progress)
        # Drawn after the net, which sets seed and dtype policy.
        keras.config.set_dtype_policy("float32")
        from recipes.evidence.theorem import attraction, calibration, histories
        from recipes.evidence.theorem import plot as theorem_plot
        from recipes.evidence.theorem import text as theorem_text

        found = [
            *attraction.single_positions(),
            *attraction.many_positions(),
            *calibration.calibration(net.channels),
            *calibration.by_layer(net.channels),
            *calibration.by_fate(net.channels),
            *histories.by_epoch(net.histories),
            *histories.ever(net.histories),
        ]
        write_csv(options.out / "theorem.csv", map(row_of, found), COLUMNS)
        theorem_plot.write_plot(found, options.out / "theorem.png")
        with atomic_path(options.out / "theorem.md") as temporary:
            temporary.write_text(theorem_text.page(found, net), encoding="utf-8")
        sys.stdout.write(f"wrote theorem.csv, theorem.md and theorem.png into {options.out}\n")
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
