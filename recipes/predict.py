"""Segments a folder of raw images: `python -m recipes.predict MODEL FOLDER --out OUT`.

MODEL is a run folder, a `.keras` file or `preset:NAME`; FOLDER holds a folder per modality, or files
NAME_rgb.png, NAME_depth.png. A model knows how its inputs are normalised and what its classes are.

    OUT/classes/NAME.png    class numbers, with the classes' colours as palette
    OUT/overlays/NAME.png   half the picture, half the classes' colours
    OUT/classes.txt         name=#rrggbb of each class, from number 0 on
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training import console as consoles
from cen_keras.training.sources import open_source


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog=consoles.program("recipes.predict"), description="Segment a folder of raw images."
    )
    parser.add_argument("model", help="run folder, .keras file or preset:NAME")
    parser.add_argument("folder", type=Path, help="folder of views")
    parser.add_argument("--out", type=Path, required=True, help="where the pictures go")
    parser.add_argument(
        "--output",
        default="ensemble",
        help="whose classes: ensemble (default) or a modality, such as rgb",
    )
    parser.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="MODALITY=FOLDER",
        help="where a modality's files are if not in a folder of its name: thermal=ir, or an ending, "
        "thermal=_ir; may be repeated",
    )
    parser.add_argument(
        "--cameras",
        metavar="FILE.json",
        help="intrinsics and extrinsics of the rig, to register its depth (default: those of the training)",
    )
    parser.add_argument("--json", metavar="FILE", help="write the list of files; - for stdout")
    return parser


def _cameras_of(data: dict[str, Any]) -> Any:
    """Returns the cameras that registered the training's depth; None where they were none.

    Raises:
        InputError: each split has its own.
    """
    cameras = data.get("cameras") if data.get("name") == "frames" else None
    if isinstance(cameras, str) and "{split}" in cameras:
        raise InputError(
            f"the training's cameras are {cameras}, one for each split; name yours with --cameras."
        )
    return cameras


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        from cen_keras.quiet import import_keras

        wrong = [text for text in options.files if "=" not in text]
        if wrong:
            raise InputError(f"--files {wrong[0]!r} has no '='; write MODALITY=FOLDER.")
        import_keras()
        recipe, load = open_source(options.model)
        if recipe.task != "segmentation":
            raise InputError(f"{options.model} is a {recipe.task}; wanted a segmentation.")
        cameras = options.cameras or _cameras_of(recipe.data)
        model = load()
        with consoles.progress_bar("views") as progress:
            written = model.segment_folder(
                options.folder,
                options.out,
                options.output,
                folders=dict(text.split("=", 1) for text in options.files) or None,
                cameras=cameras,
                progress=progress,
            )
        console = consoles.console_for(options.json)
        console.print(f"{len(written)} views: classes, their names, and overlays in {options.out}")
        consoles.write_result([str(path) for path in written], options.json)
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
