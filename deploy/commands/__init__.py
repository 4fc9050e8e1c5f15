"""The commands of `python -m deploy`; each module has SUMMARY, add_arguments() and run()."""

from __future__ import annotations

import argparse

MOST_PIXELS = 2**25
"""Of an image: a size with a digit too many would take all of the machine's memory."""


def image_size(text: str) -> tuple[int, int]:
    """Reads "480x640" as (height, width), for argparse."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted HEIGHTxWIDTH such as 480x640")
    height, width = map(int, parts)
    if height * width > MOST_PIXELS:
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted {MOST_PIXELS} pixels at most")
    return height, width


def positive(text: str) -> int:
    """Reads a whole number of at least 1, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a whole number of at least 1")
    return int(text)


def not_negative(text: str) -> int:
    """Reads a whole number of at least 0, for argparse."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted a whole number of at least 0")
    return int(text)


def capabilities(text: str) -> tuple[str, ...]:
    """Reads "8.6,8.9", for argparse."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(part.replace(".", "", 1).isdigit() and "." in part for part in found):
        raise argparse.ArgumentTypeError(f"found {text!r}, wanted compute capabilities: 8.6,8.9")
    return found


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds `--engine`, for commands that run artifacts."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        help="for .tflite: litert; for .onnx: ort (default), ort-cuda, ort-tensorrt, tensorrt or "
        "tensorrt-rtx",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, for commands that read a run's views: what `RunFolder.on` takes."""
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        help="where the run's data set lies now; of generated data or a model file, a folder of labelled "
        "frames of one's own; or a data spec as JSON",
    )
