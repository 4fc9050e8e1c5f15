"""Inputs drawn at random end in a result or in one line: `make fuzz`.

A number gives one input: `FUZZ_FIRST=1234 FUZZ_COUNT=1 make fuzz` repeats the one that failed.
"""

import copy
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cen_keras.data import image_files, labels
from cen_keras.data.datasets import open_dataset
from cen_keras.data.folder import FolderViews
from cen_keras.data.frames import FrameViews
from cen_keras.errors import InputError
from cen_keras.modalities import READY, Modality, modality_of
from deploy import calibration
from deploy.demo.source_files import read_views, scaled_kinds
from deploy.demo.sources import Options, open_source
from deploy.runtime import image_kind
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError as BoardError
from deploy.runtime.preprocess import Preprocessor
from deploy.runtime.tensors import Normalization, TensorSpec

WORKER = Path(__file__).with_name("fuzz_export.py")
FIRST = int(os.environ.get("FUZZ_FIRST", 0))
COUNT = int(os.environ.get("FUZZ_COUNT", 2000))
READERS = 1900
"""Numbers below go through readers, manifests, recipes and sources, the others through export and verify."""
SECONDS = 60
"""Longer than any of these small inputs takes on a busy machine: beyond it a reader hangs."""
ODD = (None, True, -1, 0, 1, 2.5, float("nan"), float("inf"), "", "x", [], [1], {}, {"a": 1}, 1e30)
NAMES = ("rgb", "depth", "thermal", "normals", "nir", "disparity", "hha", "echo")


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


def image_case(rng, folder):
    path = a_file(rng, folder / "a")
    kind = READY[str(rng.choice(list(READY)))]
    for read in (
        lambda: kind.normalize(image_files.read_image(path, kind, kind.name)),
        lambda: image_files.read_colour(path),
    ):
        ends_well(read)


def label_case(rng, folder):
    path = a_file(rng, folder / "a")
    colours = {tuple(int(x) for x in rng.integers(0, 256, 3)): n for n in range(3)}

    def read():
        label = image_files.read_label(path, colours if rng.random() < 0.3 else None)
        labels.check_labels(label, int(rng.integers(1, 300)), str(path), int(rng.integers(-1, 300)))
        labels.colorize(label, labels.palette(7))

    ends_well(read)


def folder_case(rng, folder):
    kinds = list(rng.choice(["rgb", "depth", "label", "color", "masks", "thermal"], 3))
    for kind in kinds:
        for index in range(int(rng.integers(0, 3))):
            if rng.random() < 0.2:
                a_file(rng, folder / f"{index}_{kind}")
            else:
                a_file(rng, folder / str(kind) / str(index))
    options = {"classes": ["a", "b", "c"], "palette": None, "size": None, "ignore": 255}
    options |= {"label_map": {"255": 1}, "fractions": None, "depth_scale": 0.001}
    pinhole = {"fx": 20.0, "fy": 20.0, "cx": 9.5, "cy": 9.5}
    if rng.random() < 0.3:
        options["cameras"] = {"rgb": pinhole, "depth": {**pinhole, "translation": [0.1, 0, 0]}}
    for _ in range(int(rng.integers(0, 3))):
        options = changed(rng, options)
    if not isinstance(options, dict):
        options = {}
    spec = {"name": "frames", "root": str(folder), **options}
    modalities = [str(name) for name in rng.choice(NAMES, 2, replace=False)]

    def read():
        views = open_dataset(spec, "train", modalities if rng.random() < 0.5 else None)
        for index in range(len(views)):
            views[index]

    ends_well(read)
    ends_well(lambda: FolderViews(folder, modalities, classes=("a", "b"))[0])
    ends_well(lambda: FrameViews(folder)[0])


def modality_case(rng, folder):
    config = modality_of(str(rng.choice(NAMES))).to_config()
    for _ in range(int(rng.integers(1, 4))):
        config = changed(rng, config)

    def read():
        modality = modality_of(config)
        assert Modality.from_config(json.loads(json.dumps(modality.to_config()))) == modality
        picture = np.asarray(an_array(rng))
        if picture.ndim in (2, 3) and picture.dtype.kind in "uif":
            modality.mirrored_input(modality.normalize(picture))

    ends_well(read)


def an_input(name):
    modality = modality_of(name)
    return TensorSpec(
        name,
        (1, 16, 24, modality.channels),
        "NHWC",
        "float32",
        "depth" if modality.unit == "m" else "image",
        normalization=Normalization(modality.scale, modality.mean, modality.std),
        kind=image_kind.kind_of(modality),
    )


def a_manifest(rng):
    names = [str(name) for name in rng.choice(NAMES, int(rng.integers(1, 4)), replace=False)]
    return manifests.Manifest(
        task="segmentation",
        target="tflite",
        scheme="fp32",
        inputs={name: an_input(name) for name in names},
        outputs={"ensemble": TensorSpec("ensemble", (1, 4, 6, 2), "NHWC", "float32", "logits")},
        classes=("a", "b"),
        palette=((1, 2, 3), (4, 5, 6)),
    )


def manifest_case(rng, folder):
    value = json.loads(json.dumps(a_manifest(rng).to_json()))
    for _ in range(int(rng.integers(0, 3))):
        value = changed(rng, value) if isinstance(value, dict) else value
    ends_well(lambda: manifests.parse(copy.deepcopy(value), "a.json").to_json())


def source_case(rng, folder):
    manifest = a_manifest(rng)
    for name in manifest.inputs:
        for index in range(int(rng.integers(0, 3))):
            a_file(rng, folder / name / str(index))
    scale = (None, 0.001, 0.0, float("nan"), 1e9)[int(rng.integers(5))]
    span = (None, (0.1, 90.0), (5.0, 1.0))[int(rng.integers(3))]

    def read():
        options = Options(metres_per_count=scale, depth_range=span)
        for frame in open_source(f"frames:{folder}", manifest, options):
            Preprocessor(manifest.inputs)(frame)

    ends_well(read)
    ends_well(lambda: list(read_views([], scaled_kinds(manifest, Options()), manifest)))


def calibration_case(rng, folder):
    inputs = a_manifest(rng).inputs
    arrays = {
        name: rng.normal(size=(2, *spec.hwc)).astype(np.float32) for name, spec in inputs.items()
    }
    name = next(iter(arrays))
    draw = rng.random()
    if draw < 0.3:
        arrays[name] = an_array(rng)
    elif draw < 0.5:
        arrays[name][0, :2] = rng.choice([np.nan, np.inf, 1e30])
    path = folder / "samples.npz"
    np.savez(path, **arrays)
    if rng.random() < 0.3:
        path.write_bytes(path.read_bytes()[: int(rng.integers(1, 300))])
    ends_well(lambda: calibration.check(calibration.load(path), inputs))


def setting_case(rng, folder):
    from cen_keras.training.settings import apply_settings
    from recipes import rooms_tiny

    keys = ("data", "data.name", "data.root", "augmentation", "model.modalities", "ignore", "batch")
    keys += ("normalization", "optimizer.learning_rate", "evaluation.batch", "seed", "callbacks")
    words = [json.dumps(value) for value in ODD if value == value] + [
        "frames",
        "null",
        "[1,2",
        "a=b",
    ]
    settings = [f"{rng.choice(keys)}={rng.choice(words)}" for _ in range(int(rng.integers(1, 4)))]
    ends_well(lambda: apply_settings(rooms_tiny.RECIPE, settings))


CASES = (
    *(image_case, image_case, label_case, folder_case, folder_case, modality_case),
    *(manifest_case, source_case, calibration_case, setting_case),
)


def ends_well(function):
    """Runs it; what it raises must be the user's error, in one line."""
    try:
        function()
    except (InputError, BoardError, OSError) as error:
        assert str(error).strip() and "\n" not in str(error).strip(), repr(str(error))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nothing_ends_in_a_stack_trace_or_hangs(tmp_path):
    failed = []
    for number in range(FIRST, min(FIRST + COUNT, READERS)):
        rng = np.random.default_rng(number)
        case, folder = CASES[number % len(CASES)], tmp_path / str(number)
        folder.mkdir()
        problem = _run(case, rng, folder)
        if problem:
            failed.append(_repeated(number, f"{case.__name__}: {problem}"))
    assert not failed, f"{len(failed)} of {COUNT}:\n" + "\n".join(failed[:40])


BATCH = 50
"""Inputs for each process: TensorFlow keeps what it has compiled."""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_export_and_verify_end_in_a_result_or_one_line(tmp_path):
    failed, number, end = [], max(FIRST, READERS), FIRST + COUNT
    while number < end:
        last = min(end, number + BATCH)
        command = [sys.executable, str(WORKER), str(tmp_path), str(number), str(last)]
        root = str(WORKER.parent.parent)
        environment = {**os.environ, "PYTHONPATH": root}
        done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment)
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        failed += [_repeated(n, problem) for n, problem in told if problem]
        reached = told[-1][0] + 1 if told else number
        if reached < last:
            place = tmp_path / str(reached) / "command"
            assert place.is_file(), done.stderr[-2000:]  # the worker itself
            said = (done.stderr.strip().splitlines() or [""])[-1]
            ended = f"ends with {done.returncode}, {said!r}: {place.read_text()}"
            failed.append(_repeated(reached, ended))
            reached += 1
        number = reached
    assert not failed, f"{len(failed)} of {COUNT}:\n" + "\n".join(failed[:40])


def _repeated(number, problem):
    return f"FUZZ_FIRST={number} FUZZ_COUNT=1 make fuzz: {problem}"


def _run(case, rng, folder):
    """What went wrong; "" where nothing did."""
    found = []

    def run():
        try:
            case(rng, folder)
        except BaseException as error:
            import traceback

            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}:{place.lineno}"
            found.append(f"{type(error).__name__} {error!s:.150} ({where})")

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return f"hangs for {SECONDS} s" if thread.is_alive() else "".join(found)
