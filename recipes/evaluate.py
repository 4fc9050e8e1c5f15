"""Scores a trained run: `python -m recipes.evaluate RUN [--split val] [--scales S,S] [--flip]`.

Prints mIoU, mean and pixel accuracy of every stream and the ensemble, IoU per class, and how much
each layer exchanges. `--without depth` scores it with the depth camera unplugged, `--views 400` on more
generated rooms than the recipe's.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training import console as consoles
from cen_keras.training.run_folder import load_best, read_json
from cen_keras.training.segmentation import Recipe
from cen_keras.training.translation import is_translation


def evaluate(
    model,
    recipe: Recipe,
    loader,
    split: str,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
) -> dict[str, Any]:
    """Scores a model over a loader's views.

    Args:
        model: a Segmenter.
        recipe: its recipe.
        loader: of `cen_keras.training.segmentation_task.open_loader`.
        split: named in the result.
        scales: sizes at which every picture is tested; the probabilities are averaged.
        flip: whether every picture is tested mirrored as well.

    Returns:
        `recipe`, `split`, `images`, `classes`, `scales`, `flip`, `skipped_frames` (those that could
        not be read -> why); `streams`: stream -> `miou`, `mean_accuracy`,
        `pixel_accuracy` in 0..1 and `per_class`: class -> `iou`, `accuracy` (null where undefined),
        `pixels`; `exchange`: see `exchange_rate`.
    """
    import math

    from cen_keras.metrics.evaluation import evaluate_streams
    from cen_keras.metrics.exchange_rate import exchange_rate
    from cen_keras.metrics.multi_scale import MultiScale

    def or_null(value):
        return None if math.isnan(value) else float(value)

    classes = list(loader.views.classes)
    predictor = model
    if flip or tuple(scales) != (1.0,):
        predictor = MultiScale(model, scales, flip, recipe.evaluation.interpolation)
    matrices = evaluate_streams(
        predictor,
        loader,
        len(classes),
        ignore=recipe.ignore,
        interpolation=recipe.evaluation.interpolation,
    )
    streams = {}
    for stream, matrix in matrices.items():
        table = matrix.per_class()
        streams[stream] = {name: or_null(value) for name, value in matrix.result().items()}
        streams[stream]["per_class"] = {
            name: {
                "iou": or_null(table["iou"][i]),
                "accuracy": or_null(table["accuracy"][i]),
                "pixels": int(table["pixels"][i]),
            }
            for i, name in enumerate(classes)
        }
    return {
        "recipe": recipe.name,
        "split": split,
        "images": len(loader.views),
        "classes": classes,
        "scales": [float(scale) for scale in scales],
        "flip": flip,
        "skipped_frames": dict(sorted(loader.skipped.items())),
        "streams": streams,
        "exchange": exchange_rate(model),
    }


class Without:
    """Zeroes modalities of a view, as unplugged cameras give them; a loader's `augment`.

    Args:
        names: the modalities.
    """

    def __init__(self, names: tuple[str, ...]):
        self.names = names

    def __call__(self, view: dict, rng: Any) -> dict:
        """The view with zeros in the place of the modalities."""
        return view | {name: view[name] * 0 for name in self.names}


def evaluate_run(
    run: Path,
    split: str | None = None,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
    without: tuple[str, ...] = (),
    views: int | None = None,
) -> dict[str, Any]:
    """Scores the best model of a run folder; see `evaluate`.

    Args:
        run: the folder.
        split: of the data set; None = the recipe's.
        scales: as for `evaluate`.
        flip: as for `evaluate`.
        without: modalities that every view lacks: zeroed before they are normalised.
        views: of generated rooms, so many; None = as many as the recipe says.

    Raises:
        InputError: the folder or the data are not what they should be, an unknown modality, or
            `views` of pictures that are not generated.
    """
    from cen_keras.training.segmentation_task import open_loader

    told = read_json(run / "recipe.json")
    if is_translation(told):
        if flip or without or views is not None or tuple(scales) != (1.0,):
            raise InputError(
                f"{run} is a translation, which is scored as it is; leave out --scales, --flip, "
                "--without and --views."
            )
        from cen_keras.training import translation_run

        return translation_run.evaluate_run(run, split)
    recipe = Recipe.from_json(told, str(run / "recipe.json"))
    split = split or recipe.evaluation.split
    if views is not None:
        if recipe.data.get("name") != "rooms":
            raise InputError(
                f"--views {views}: the data set {recipe.data.get('name')!r} of {run} has the views that it "
                "has; only rooms are generated."
            )
        recipe = dataclasses.replace(recipe, data={**recipe.data, split: views})
    model = load_best(run)
    unknown = [name for name in without if name not in model.modalities]
    if unknown:
        raise InputError(
            f"--without {unknown[0]}: {run} has no such modality, only "
            f"{', '.join(model.modalities)}."
        )
    loader = open_loader(recipe, split, training=False)
    loader.augment = Without(tuple(without)) if without else None
    try:
        found = evaluate(model, recipe, loader, split, scales, flip)
        return {"run": str(run), "without": list(without), **found}
    finally:
        loader.close()


def scales_of(text: str) -> tuple[float, ...]:
    """Returns the scales that an argument means: numbers above 0 with commas between.

    Raises:
        argparse.ArgumentTypeError: it means none.
    """
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < 100 for scale in scales):
        raise argparse.ArgumentTypeError(
            f"{text!r} are no scales; give numbers above 0, for instance 0.75,1,1.25"
        )
    return scales


def count_of(text: str) -> int:
    """Returns the whole number above 0 that an argument means.

    Raises:
        argparse.ArgumentTypeError: it means none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of views; give 1 or more")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.evaluate", description="Score the best model of a run."
    )
    parser.add_argument("run", type=Path, help="run folder that recipes.train wrote")
    parser.add_argument("--split", help="of the data set; default: the recipe's")
    parser.add_argument(
        "--scales",
        type=scales_of,
        default=(1.0,),
        metavar="S,S,...",
        help="test at several sizes and average, for instance 0.75,1,1.25; default: 1",
    )
    parser.add_argument("--flip", action="store_true", help="test mirrored as well, and average")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="MODALITY",
        help="zero this modality of every view, as an unplugged camera gives it; may be repeated",
    )
    parser.add_argument(
        "--views",
        type=count_of,
        metavar="N",
        help="score so many views of generated rooms; default: as many as the recipe says",
    )
    parser.add_argument("--json", metavar="FILE", help="write the result here too; - for stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        result = evaluate_run(
            options.run,
            options.split,
            options.scales,
            options.flip,
            tuple(options.without),
            options.views,
        )
        console = consoles.console_for(options.json)
        consoles.print_scores(console, result, classes=True)
        consoles.print_exchange(console, result["exchange"])
        consoles.write_result(result, options.json)
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
