"""Starts a recipe for one's own pictures: `python -m recipes.new my_data [--out my_recipe.py]`.

my_data holds a folder for each modality, rgb/, depth/, thermal/, ..., and label/, with files of the
same names; or train/ and val/ that do, and test/ where there is one. Prints what it finds there,
and writes

    my_recipe.py    a recipe, yours to change: from a preset for rgb and depth, else a small net
    my_recipe.png   eight views as they are read: look whether labels lie where they should

Names of the classes come from --classes, or from my_data/classes.txt with one a line. Where labels are
pictures in colours each name has its own, and `ignore` is what does not count:

    python -m recipes.new my_data --classes 'floor=#c80000,chair=#00ff00,ignore=#000000'

--classes takes the file of such a list or table too ("floor=#c80000" or "floor,200,0,0" a line).
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path
from cen_keras.training import console as consoles

SAMPLES, COLUMNS, WIDTH = 8, 2, 200


def words_of(text: str) -> list[str]:
    """Returns the words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=consoles.program("recipes.new"), description="Start a recipe for a folder of pictures."
    )
    parser.add_argument("folder", type=Path, help="folder of views, with labels")
    parser.add_argument(
        "--out", type=Path, default=Path("my_recipe.py"), help="default: ./my_recipe.py"
    )
    parser.add_argument(
        "--classes",
        metavar="A,B,...",
        help="names by label value, or A=#rrggbb,...; or a file of them",
    )
    parser.add_argument(
        "--modalities", type=words_of, metavar="A,B,...", help="default: all that are there"
    )
    parser.add_argument(
        "--depth-scale", type=float, metavar="M", help="metres per count; default: by the median"
    )
    parser.add_argument("--ignore", type=int, default=255, help="label that does not count (255)")
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    parser.add_argument("--json", metavar="FILE", help="write what was found too; - for stdout")
    return parser


def start(options: argparse.Namespace, console: Any) -> dict[str, Any]:
    """Surveys the folder, writes the recipe and the picture; returns what was found.

    Raises:
        InputError: the folder does not fit, or a file is there already.
    """
    from cen_keras.data.survey import survey_folder
    from cen_keras.data.survey.names import given_names
    from recipes.first_recipe import recipe_text, starts_from_preset

    out = options.out
    if out.suffix != ".py":
        raise InputError(
            f"--out {out}: is no name of a Python file; give, for instance, my_recipe.py."
        )
    picture = out.with_suffix(".png")
    there = [path for path in (out, picture) if path.exists()]
    if there and not options.force:
        raise InputError(f"{there[0]}: is there already; give another --out, or --force.")
    classes = None if options.classes is None else given_names(options.classes)
    survey = survey_folder(
        options.folder, options.modalities, classes, options.depth_scale, options.ignore
    )
    _print(survey, console)
    text = recipe_text(survey, out.stem)
    # Both are whole before either has its name.
    with atomic_path(out) as script, atomic_path(picture) as sheet:
        script.write_text(text, encoding="utf-8")
        from PIL import Image

        Image.fromarray(samples(survey.views)).save(sheet)
    count = min(SAMPLES, len(survey.views))
    start = "a preset's weights" if starts_from_preset(survey) else "a small net, random weights"
    console.print(f"{out}: a recipe from {start}; {picture}: {count} of its views", soft_wrap=True)
    place = out if out.is_absolute() else f"./{out.as_posix()}"
    console.print(f"next: cen train {place}", soft_wrap=True)
    return {
        "recipe": str(out),
        "picture": str(picture),
        "data": survey.spec,
        "modalities": [modality.name for modality in survey.modalities],
        "units": {name: unit.scale for name, unit in survey.units.items()},
        "splits": survey.splits,
        "image_shape": list(survey.image_shape),
        "pixels": dict(zip(survey.spec["classes"], survey.pixels.tolist(), strict=True)),
    }


def _print(survey: Any, console: Any) -> None:
    from rich.table import Table

    from cen_keras.data.labels import hexadecimal

    sizes = ", ".join(f"{w}x{h}" for h, w in survey.sizes)
    resized = "size" in survey.spec
    shape = f"; trained at {survey.image_shape[1]}x{survey.image_shape[0]}" if resized else ""
    console.print(f"size: {sizes}{shape}")
    for modality in survey.modalities:
        low, middle, high = survey.ranges[modality.name]
        unit = f" {modality.unit}" if modality.unit else ""
        depth_unit = survey.units.get(modality.name)
        why = f" ({depth_unit.why})" if depth_unit else ""
        console.print(
            f"{modality.name}: {modality.channels} channels, {low:.4g} to {high:.4g}{unit}, "
            f"median {middle:.4g}{why}",
            soft_wrap=True,
        )
    if survey.left:
        console.print(f"left out: {', '.join(survey.left)}; --modalities takes them in")
    counts = ", ".join(f"{split} {count}" for split, count in survey.splits.items())
    console.print(f"splits: {counts} ({survey.how})", soft_wrap=True)
    if "val" not in survey.splits:
        console.print("no val split: training scores itself on nothing; add one")
    table = Table(title=f"{survey.labels} label files")
    palette = survey.spec.get("palette")
    for column in ("label", "class", "pixels %", *(("colour",) if palette else ())):
        table.add_column(column, justify="left" if column == "class" else "right")
    total = max(1, int(survey.pixels.sum()) + survey.ignored)
    for number, name in enumerate(survey.spec["classes"]):
        colour = [hexadecimal(palette[number])] if palette else []
        table.add_row(
            str(number), name, consoles.percent(survey.pixels[number] / total, 2), *colour
        )
    table.add_row("", "ignored", consoles.percent(survey.ignored / total, 2))
    console.print(table)


def samples(views: Any) -> np.ndarray:
    """Returns views side by side, each its modalities and its label: uint8 (height, width, 3)."""
    import cv2

    from cen_keras.data.folder_checks import spread
    from cen_keras.data.labels import colorize
    from cen_keras.modalities import modality_of
    from cen_keras.visualization import grid, shown

    pictures = []
    for index in spread(range(len(views)), SAMPLES):
        view = views[index]
        kinds = {
            name: views.modalities.get(name) or modality_of(name)
            for name in view
            if name != "label"
        }
        row = [shown(view[name], kind.missing) for name, kind in kinds.items()]
        pictures.append([*row, colorize(view["label"], views.palette)])
    height, width = pictures[0][0].shape[:2]
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    small = [
        [cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST) for picture in row]
        for row in pictures
    ]
    rows = [sum(small[i : i + COLUMNS], []) for i in range(0, len(small), COLUMNS)]
    return grid(rows)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        console = consoles.console_for(options.json)
        consoles.write_result(start(options, console), options.json)
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
