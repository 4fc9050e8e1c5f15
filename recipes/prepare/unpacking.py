"""Writes a data set as PNG with list files, so that a stop at any moment costs one picture.

    FOLDER/rgb, masks, depth   a file per view: as in the source; class numbers, 255 = ignored;
                               16-bit PNG in 1/5000 m, 0 = missing
    FOLDER/train.txt, val.txt  rgb, masks, depth of a view per line, tabs between
    FOLDER/SHA256SUMS          of every file above, as `sha256sum -c` reads it
    FOLDER/prepared.json       what it was made of, counts, views left out

Every file is written whole or not at all, so a file that is there is kept when the same command is
given again; the lists and sums come last.
"""

import argparse
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path, write_json

FOLDERS = ("rgb", "masks", "depth")
COUNTS_PER_METRE = 5000

Content = dict[str, bytes]


@dataclasses.dataclass(frozen=True)
class Frame:
    """A view to write.

    Attributes:
        split: "train" or "val".
        stem: of its three files.
        rgb_suffix: of its colour file.
        read: gives the contents of the three files by folder.
    """

    split: str
    stem: str
    rgb_suffix: str
    read: Callable[[], Content]

    def paths(self) -> dict[str, str]:
        """Paths of the files by folder, relative to the data set's folder."""
        suffixes = {"rgb": self.rgb_suffix}
        return {name: f"{name}/{self.stem}{suffixes.get(name, '.png')}" for name in FOLDERS}


def png(picture: np.ndarray) -> bytes:
    """Encodes uint8 or uint16 (h, w), or uint8 (h, w, 3) RGB, as PNG."""
    import cv2

    turned = picture[..., ::-1] if picture.ndim == 3 else picture
    return cv2.imencode(".png", turned)[1].tobytes()


def depth_png(metres: np.ndarray) -> bytes:
    """Encodes metres (h, w) as 16-bit PNG of 1/5000 m; 0 stays 0, 13.1 m is the most it holds."""
    counts = np.clip(np.round(metres.astype(np.float64) * COUNTS_PER_METRE), 0, 65534)
    return png(counts.astype(np.uint16))


def unpack(
    out: Path, made_of: dict[str, Any], frames: list[Frame], console: Any, bad_frames: str = "raise"
) -> dict[str, Any]:
    """Writes what is missing of a data set, then its lists, sums and description.

    Args:
        out: the folder; it is made.
        made_of: source and options, JSON-able; a folder is only continued with the same.
        frames: all views.
        console: a rich console for the progress.
        bad_frames: "raise" stops at a view that cannot be read; "skip" leaves it out of the lists.

    Returns:
        what prepared.json holds: `made_of`, `views` per split, `files`, `bytes`, `left_out`: stem ->
        reason, and `sha256` of SHA256SUMS.

    Raises:
        InputError: the folder was made of something else, or a view cannot be read.
        OSError: a file cannot be written.
    """
    from rich.progress import track

    note = out / "prepared.json"
    if note.is_file():
        before = json.loads(note.read_text(encoding="utf-8"))["made_of"]
        changed = [key for key in made_of if before.get(key) != made_of[key]]
        if changed:
            raise InputError(
                f"{out} was made with {changed[0]} {before.get(changed[0])!r}, now it is "
                f"{made_of[changed[0]]!r}; give the same, or another folder with --out."
            )
    elif out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} holds other files; give an empty or new folder with --out.")
    write_json(note, {"made_of": made_of, "complete": False})

    sums: dict[str, str] = {}
    lists: dict[str, list[str]] = {"train": [], "val": []}
    left_out, size, written = {}, 0, 0
    for frame in track(frames, "unpacking", console=console, transient=True):
        paths = frame.paths()
        try:
            written += _write_missing(out, frame, paths)
        except (InputError, FileNotFoundError) as error:
            if bad_frames == "raise":
                raise
            left_out[frame.stem] = " ".join(str(error).split())
            continue
        for path in paths.values():
            content = (out / path).read_bytes()
            sums[path] = hashlib.sha256(content).hexdigest()
            size += len(content)
        lists[frame.split].append("\t".join(paths.values()) + "\n")
    for split, lines in lists.items():
        with atomic_path(out / f"{split}.txt") as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")
        sums[f"{split}.txt"] = _sha256(out / f"{split}.txt")
    with atomic_path(out / "SHA256SUMS") as temporary:
        lines = (f"{digest}  {path}\n" for path, digest in sums.items())
        temporary.write_text("".join(lines), encoding="utf-8")
    result = {
        "made_of": made_of,
        "complete": True,
        "views": {split: len(lines) for split, lines in lists.items()},
        "files": len(sums),
        "bytes": size,
        "left_out": left_out,
        "sha256": _sha256(out / "SHA256SUMS"),
    }
    write_json(note, result)
    return {**result, "written_now": written}


def _write_missing(out: Path, frame: Frame, paths: dict[str, str]) -> int:
    """Writes the files of a frame that are not there yet, and returns how many."""
    missing = {name: path for name, path in paths.items() if not (out / path).is_file()}
    content = frame.read() if missing else {}
    for name, path in missing.items():
        with atomic_path(out / path) as temporary:
            temporary.write_bytes(content[name])
    return len(missing)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(out: Path, console: Any) -> dict[str, Any]:
    """Compares a folder with its sums.

    Returns:
        `files`: how many were compared, `missing` and `changed`: their paths.

    Raises:
        InputError: the folder has no sums.
    """
    from rich.progress import track

    sums = out / "SHA256SUMS"
    if not sums.is_file():
        raise InputError(f"{sums}: is missing; unpack first, without --check.")
    lines = [line.split("  ", 1) for line in sums.read_text(encoding="utf-8").splitlines()]
    missing, changed = [], []
    for digest, path in track(lines, "checking", console=console, transient=True):
        if not (out / path).is_file():
            missing.append(path)
        elif _sha256(out / path) != digest:
            changed.append(path)
    return {"files": len(lines), "missing": missing, "changed": changed}


def run(
    options: argparse.Namespace, made_of: Callable[[], tuple[dict[str, Any], Iterable[Frame]]]
) -> int:
    """What both commands do with their options: unpack, or check; returns the exit code."""
    from cen_keras.training import console as consoles

    def command() -> int:
        console = consoles.console_for(options.json)
        if options.check:
            result = check(options.out, console)
            bad = result["missing"] + result["changed"]
            console.print(
                f"{options.out}: {result['files']} files, {len(result['missing'])} missing, "
                f"{len(result['changed'])} changed {', '.join(bad[:5])}",
                soft_wrap=True,
            )
            consoles.write_result(result, options.json)
            return 1 if bad else 0
        source, frames = made_of()
        result = unpack(options.out, source, list(frames), console, options.bad_frames)
        console.print(
            f"{options.out}: {result['views']['train']} views to train, {result['views']['val']} "
            f"to validate, {result['files']} files, {result['bytes'] / 1e6:.1f} MB, "
            f"{result['written_now']} written now; SHA256SUMS is {result['sha256'][:16]}...",
            soft_wrap=True,
        )
        for stem, reason in result["left_out"].items():
            console.print(f"left out {stem}: {reason}", soft_wrap=True)
        consoles.write_result(result, options.json)
        return 0

    return consoles.run_command(
        command, "" if options.check else "goes on with the files that are not written yet"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what both commands take."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write; may be continued")
    parser.add_argument(
        "--depth",
        choices=("filled", "raw"),
        default="filled",
        help="depth with holes filled in by the data set's authors (default), or as measured",
    )
    parser.add_argument(
        "--bad-frames",
        choices=("raise", "skip"),
        default="raise",
        help="stop at a view that cannot be read (default), or leave it out and say so",
    )
    parser.add_argument(
        "--check", action="store_true", help="only compare the folder with its SHA256SUMS"
    )
    parser.add_argument("--json", metavar="FILE", help="write the result here too; - for stdout")
