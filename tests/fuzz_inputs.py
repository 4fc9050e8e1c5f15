"""What the fuzzer draws: arrays, files, folders of frames, and values that are something else."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from cen_keras.data import image_files

ODD = (None, True, -1, 0, 1, 2.5, float("nan"), float("inf"), "", "x", [], [1], {}, {"a": 1}, 1e30)
NAMES = ("rgb", "depth", "thermal", "normals", "nir", "disparity", "hha", "echo")
SIZE = (16, 24)
CLASSES = ["a", "b", "c"]


def an_array(rng):
    """Pictures and what is none, of every dtype."""
    shape = tuple(int(rng.integers(1, 40)) for _ in range(2))
    if rng.random() < 0.4:
        shape += (int(rng.choice([1, 2, 3, 4, 7])),)
    if rng.random() < 0.05:
        shape = tuple(int(rng.integers(0, 4)) for _ in range(rng.integers(0, 5)))
    dtype = rng.choice(["u1", "u2", "i4", "i8", "f2", "f4", "f8", "?", ">u2", "c8", "u4"])
    values = rng.random(shape) * float(rng.choice([1, 13, 300, 5000, 7e4]))
    with np.errstate(all="ignore"):
        array = np.asarray(values).astype(dtype)
    if array.dtype.kind == "f" and array.size and rng.random() < 0.5:
        array.flat[:: int(rng.integers(1, 9))] = rng.choice([np.nan, np.inf, -np.inf, -1])
    return array


def a_file(rng, path):
    """Writes a picture by Pillow or NumPy, whole or damaged; returns its path."""
    kind = rng.choice(["npy", "png", "png", "jpg", "tif", "bmp", "pgm", "webp", "junk", "exr"])
    path = path.with_suffix("." + str(kind if kind != "junk" else rng.choice(["png", "npy"])))
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "npy":
        np.save(path, an_array(rng))
    elif kind == "exr":
        known = sorted((Path(__file__).parent / "vectors" / "exr").glob("*.exr"))
        path.write_bytes(known[int(rng.integers(len(known)))].read_bytes())
    elif kind == "junk":
        path.write_bytes(rng.bytes(int(rng.integers(0, 400))))
    else:
        size = tuple(int(n) for n in rng.integers(1, 40, 2))
        mode = str(rng.choice(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"]))
        picture = Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8))
        if mode == "I;16":
            picture = Image.fromarray(rng.integers(0, 65536, size).astype(np.uint16))
        else:
            picture = picture.convert("L" if mode in ("I", "F", "LA") else mode).convert(mode)
        exif = Image.Exif()
        exif[image_files.ORIENTATION] = int(rng.integers(0, 12))
        try:
            picture.save(path, exif=exif if rng.random() < 0.3 else b"")
        except (OSError, KeyError, ValueError, TypeError):
            picture.convert("RGB").save(path.with_suffix(".png"))
            path = path.with_suffix(".png")
    data = bytearray(path.read_bytes())
    if data and rng.random() < 0.4:
        if rng.random() < 0.5:
            data = data[: int(rng.integers(0, len(data)))]
        else:
            for _ in range(int(rng.integers(1, 6))):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
        path.write_bytes(bytes(data))
    return path


def odd(rng):
    """Something that a user may write where something else is wanted."""
    return ODD[int(rng.integers(len(ODD)))]


def changed(rng, value, depth=0):
    """A JSON value with some of its leaves or keys replaced, added or taken away."""
    if isinstance(value, dict) and value and depth < 5:
        value = dict(value)
        key = list(value)[int(rng.integers(len(value)))]
        draw = rng.random()
        if draw < 0.1:
            del value[key]
        elif draw < 0.15:
            value["unknown"] = odd(rng)
        else:
            value[key] = changed(rng, value[key], depth + 1)
        return value
    if isinstance(value, list) and value and depth < 5 and rng.random() < 0.5:
        value = list(value)
        place = int(rng.integers(len(value)))
        value[place] = changed(rng, value[place], depth + 1)
        return value
    return odd(rng)


def a_number(rng):
    """A picture's value of any kind."""
    return rng.choice([np.nan, np.inf, -np.inf, -1, 0, 1e30, 255, 65535])


def write_frames(rng, folder, count=3, damage=0.6):
    """Frames of all modalities, and in most folders something that does not fit."""
    for index in range(count):
        made = {
            "rgb": rng.integers(0, 256, (*SIZE, 3), np.uint8),
            "depth": rng.uniform(0.5, 4, SIZE).astype(np.float32),
            "thermal": rng.integers(0, 65536, SIZE).astype(np.uint16),
            "label": rng.integers(0, len(CLASSES), SIZE, np.uint8),
        }
        for name, picture in made.items():
            path = folder / name / f"{index}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            if rng.random() < damage / (3 * count):
                a_file(rng, path)
                continue
            if rng.random() < damage / (3 * count):
                picture = an_array(rng)
            elif rng.random() < damage / (3 * count) and picture.dtype.kind == "f":
                picture.flat[:: int(rng.integers(1, 9))] = a_number(rng)
            np.save(path, picture)
    if rng.random() < damage / 4:
        shutil.rmtree(folder / str(rng.choice(["rgb", "depth", "thermal", "label"])))
    return folder


def a_list(rng, path, lines):
    """A text file of some lines, as one or another system writes it; returns its path."""
    lines = [line for line in lines if rng.random() < 0.8]
    text = str(rng.choice(["\n", "\r\n", " \n", "\t\r\n", "\n\n"])).join(lines)
    data = text.encode(str(rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"])))
    path.write_bytes(data if rng.random() < 0.8 else rng.bytes(40))
    return path
