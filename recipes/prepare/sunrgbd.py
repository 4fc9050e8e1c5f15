"""Unpacks SUN RGB-D: `python -m recipes.prepare.sunrgbd SUNRGBD --out FOLDER`.

Colour is copied as it is, depth turned from rotated bits into 1/5000 m, seg.mat into masks of the 37
classes, or with `--labels toolbox` the benchmark's own labels. The official test frames come first
(000001 to 005050), then those to train.
"""

import argparse
import sys
from pathlib import Path

from recipes.prepare.unpacking import Frame, add_options, depth_png, png, run


def frames_of(root: Path, split_file: Path | None, depth: str, labels: str = "frames"):
    """Returns what the folder is made of, and the frames.

    Raises:
        InputError: the split names folders that are not there.
        FileNotFoundError: the tree or the split file is not there.
    """
    from cen_keras.data.sunrgbd import TreeViews

    frames, folders = [], []
    for split in ("val", "train"):
        views = TreeViews(root, split, split_file=split_file, depth=depth, labels=labels)
        for index, folder in enumerate(views.folders):
            path = views.colour_file(index)
            folders.append(folder)

            def read(views=views, index=index, path=path):
                view = views[index]
                return {
                    "rgb": path.read_bytes(),
                    "masks": png(view["label"]),
                    "depth": depth_png(view["depth"]),
                }

            frames.append(Frame(split, f"{len(folders):06d}", path.suffix.lower(), read))
    about = {"source": root.name, "frames": len(folders), "depth": depth}
    return about | {"labels": views.label_source}, frames


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.prepare.sunrgbd",
        description="Unpack SUN RGB-D's published tree to pictures with lists.",
    )
    parser.add_argument("root", type=Path, help="SUNRGBD, which holds kv1, kv2, realsense, xtion")
    parser.add_argument(
        "--split-file", type=Path, help="allsplit.mat; default: looked for in and beside the tree"
    )
    parser.add_argument(
        "--labels",
        default="frames",
        help="frames: seg.mat of each (default); toolbox: the benchmark's SUNRGBD2Dseg.mat, looked for "
        "in and beside the tree; or its path",
    )
    add_options(parser)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)
    return run(
        options, lambda: frames_of(options.root, options.split_file, options.depth, options.labels)
    )


if __name__ == "__main__":
    sys.exit(main())
