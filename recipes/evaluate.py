"""Scores a trained model: `python -m recipes.evaluate RUN [--split val] [--scales S,S] [--flip]`.

RUN is a run folder, a `.keras` file or `preset:NAME`. Prints mIoU, mean and pixel accuracy of every
stream and the ensemble, IoU per class, and how much each layer exchanges. `--without depth` scores
it with the depth camera unplugged, `--views 400` on more generated rooms than the recipe's, and
`--set data.root=FOLDER` on data that lie elsewhere now. Labelled frames of one's own, numbered as the
model's classes, score any model: `preset:NAME --set data.name=frames --set data.root=FOLDER`.
"""

import argparse
import sys

from cen_keras.training import console as consoles
from cen_keras.training.evaluation import evaluate_run
from cen_keras.training.task import task_of


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
        prog=consoles.program("recipes.evaluate"), description="Score a trained model."
    )
    parser.add_argument("run", help="run folder, .keras file or preset:NAME")
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
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change the recipe, for instance data.root=FOLDER; may be repeated",
    )
    parser.add_argument("--json", metavar="FILE", help="write the result here too; - for stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        with consoles.progress_bar("batches") as progress:
            result = evaluate_run(
                options.run,
                options.split,
                options.scales,
                options.flip,
                tuple(options.without),
                options.views,
                options.set,
                progress,
            )
        console = consoles.console_for(options.json)
        task_of(result).print_scores(console, result, classes=True)
        consoles.print_exchange(console, result["exchange"])
        consoles.write_result(result, options.json)
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
