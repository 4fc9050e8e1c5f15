"""Unpacks NYU Depth V2: `python -m recipes.prepare.nyudv2 nyu_depth_v2_labeled.mat --out FOLDER`.

Gives the layout of CEN's official code: whole pictures of 640x480 in rgb/ and depth/, masks of
625x468 around their middle, and its lists, line by line. That the authors' own masks and depth are
these very numbers is likely but was not compared, for want of their files.
"""

import argparse
import sys
from pathlib import Path

from recipes.prepare.unpacking import Frame, add_options, depth_png, png, run


def frames_of(path: Path, classes: int, depth: str, crop: tuple[int, int] | None):
    """Returns what the folder is made of, and the frames; the file stays open.

    Raises:
        InputError: the file is not the labelled data set.
        FileNotFoundError: it is not there.
    """
    from cen_keras.data import nyudv2
    from cen_keras.data.pair_lists import centre_crop

    mat = nyudv2.LabeledMat(path)
    lookup = nyudv2.label_lookup(mat.names, classes, str(path))

    def read(number):
        source = f"{path} picture {number}"
        view = mat.read(number, depth)
        mask = nyudv2.map_labels(view["labels"], lookup, source)
        if crop:
            mask = centre_crop(mask, crop, source)
        return {"rgb": png(view["rgb"]), "masks": png(mask), "depth": depth_png(view["depth"])}

    frames = [
        Frame(split, f"{number:06d}", ".png", lambda number=number: read(number))
        for split in ("train", "val")
        for number in nyudv2.numbers_of(split, mat)
    ]
    made_of = {
        "source": path.name,
        "source_bytes": path.stat().st_size,
        "classes": classes,
        "depth": depth,
        "crop": list(crop) if crop else None,
    }
    return made_of, frames


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.prepare.nyudv2",
        description="Unpack nyu_depth_v2_labeled.mat to PNG with the official lists.",
    )
    parser.add_argument("file", type=Path, help="nyu_depth_v2_labeled.mat")
    parser.add_argument("--classes", type=int, choices=(40, 13), default=40)
    parser.add_argument(
        "--whole",
        action="store_true",
        help="masks of whole pictures; default: 625x468 around the middle, as the official ones",
    )
    add_options(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)
    from cen_keras.data.nyudv2 import OFFICIAL_MASK_SIZE

    crop = None if options.whole else OFFICIAL_MASK_SIZE
    return run(options, lambda: frames_of(options.file, options.classes, options.depth, crop))


if __name__ == "__main__":
    sys.exit(main())
