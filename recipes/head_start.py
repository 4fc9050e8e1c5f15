"""What a preset's weights are worth: `python -m recipes.head_start`.

The recipe finetune against the same network from random weights, on rooms that the preset has not seen, with five
merged classes: 200 steps against 800. Writes the validation scores of both trainings, every 50 steps, to
`docs/measurements/head_start.csv` and draws them beside it. A training that was stopped goes on with the same command.
"""

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from cen_keras.data.windows import window_scale
from cen_keras.files import write_csv
from cen_keras.training import console as consoles
from cen_keras.training.run import train
from cen_keras.training.run_folder import read_json
from cen_keras.training.segmentation import Evaluation, Optimizer, Recipe
from cen_keras.visualization import save_png
from recipes.segmentation import finetune, rooms_edge_m

RESULT = Path(__file__).parents[1] / "docs/measurements/head_start.csv"
COLUMNS = ("start", "steps", "images", "miou", "hardware", "backend", "commit", "time")
CLASSES = ("ground", "wall", "seat", "table", "rest")
# Beds and sofas are seats, as chairs are; the ceiling is a wall, and so is what hangs there or is set into one.
MERGED = (2, 4, 1, 2, 0, 3, 4, 1, 2, 3, 1, 1, 1)
PICTURE, WINDOW = (240, 320), (128, 160)

PRESET = finetune.RECIPE.derive(
    "head_start_preset",
    data={
        "name": "rooms",
        # The preset's rooms have the seed 0.
        "seed": 1,
        "size": PICTURE,
        "train": 512,
        "val": 100,
        "classes": CLASSES,
        "label_map": {str(old): new for old, new in enumerate(MERGED)},
        "cache": "runs/cache",
    },
    augmentation={"size": WINDOW, "scale": window_scale(PICTURE, WINDOW)},
    evaluation=Evaluation(split="val", batch=10),
)
RANDOM = PRESET.derive(
    "head_start_random",
    model=rooms_edge_m.RECIPE.model,
    pretrained=None,
    # The rate at which the preset itself was trained from random weights.
    optimizer=Optimizer(name="adam", learning_rate=3e-3, schedule="cosine", warmup_steps=100),
    epochs=4 * PRESET.epochs,
)
RECIPES = {"preset": PRESET, "random": RANDOM}


def measure(recipes: dict[str, Recipe], runs: Path, console: Any) -> list[dict[str, Any]]:
    """Trains, or goes on, and returns the rows of the table.

    Args:
        recipes: start -> recipe.
        runs: where the run folders go.
        console: a rich console for the progress.
    """
    rows = []
    for start, recipe in recipes.items():
        run = runs / recipe.name
        train(recipe, run, console)
        made = read_json(run / "environment.json")[-1]
        environment = {key: made[key] for key in ("hardware", "backend", "commit", "time")}
        rows += [{"start": start, **row, **environment} for row in curve(run, recipe)]
    return rows


def curve(run: Path, recipe: Recipe) -> list[dict[str, Any]]:
    """Returns `steps`, `images` and the ensemble's `miou` for each epoch that was scored."""
    found = []
    with open(run / "log.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["ensemble_miou"]:
                found.append(
                    {
                        "steps": (int(row["epoch"]) + 1) * recipe.epoch_steps,
                        "images": recipe.data["val"],
                        "miou": round(float(row["ensemble_miou"]), 4),
                    }
                )
    return found


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws the curves of a table into a PNG file."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure((6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    lines = {
        "preset": ("#d55e00", "from cen_edge_m_rooms"),
        "random": ("#0072b2", "from random weights"),
    }
    for start, (colour, label) in lines.items():
        points = [
            (int(row["steps"]), 100 * float(row["miou"])) for row in rows if row["start"] == start
        ]
        axes.plot(*zip(*points, strict=True), "o-", color=colour, label=label, ms=4)
    axes.set(xlabel="training steps", ylabel="validation mIoU, %", xlim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    save_png(figure, path)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.head_start",
        description="Measure what a preset's weights are worth.",
    )
    parser.add_argument(
        "--runs", type=Path, default=Path("runs"), help="of the run folders (default: runs)"
    )
    parser.add_argument(
        "--csv", type=Path, default=RESULT, help=f"default: {RESULT.name}; the plot lies beside it"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        rows = measure(RECIPES, options.runs, consoles.console_for(None))
        write_csv(options.csv, rows, COLUMNS)
        draw(rows, options.csv.with_suffix(".png"))
        return 0

    return consoles.run_command(command, "goes on from the last finished epoch")


if __name__ == "__main__":
    sys.exit(main())
