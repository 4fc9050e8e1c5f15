"""What the fuzzer does with its inputs: readers, manifests, recipes and sources.

Each case takes a generator and an empty folder, and raises where something ends neither in a result nor
in one line.
"""

import copy
import json

import numpy as np
from fuzz_inputs import (
    CLASSES,
    NAMES,
    ODD,
    SIZE,
    a_file,
    a_list,
    an_array,
    changed,
    odd,
    write_frames,
)

from cen_keras.data import image_files, label_files, labels
from cen_keras.data.datasets import open_dataset
from cen_keras.data.folder import FolderViews
from cen_keras.data.frames import FrameViews
from cen_keras.data.image_domains import open_domains
from cen_keras.data.pinhole_cameras import read_cameras
from cen_keras.data.survey import survey_folder
from cen_keras.errors import InputError
from cen_keras.modalities import READY, Modality, modality_of
from cen_keras.training.console import USERS_OS_ERRORS
from cen_keras.training.distribution import OneDevice
from cen_keras.training.plugins import callbacks_of
from cen_keras.training.recipe import flatten
from cen_keras.training.recipe_optimizer import build_optimizer
from cen_keras.training.settings import apply_settings
from cen_keras.training.task import recipe_from_json, task_of
from deploy import calibration
from deploy.demo.source_files import read_views, scaled_kinds
from deploy.demo.sources import Options, open_source
from deploy.run_folder import open_run
from deploy.runtime import image_kind
from deploy.runtime import manifest as manifests
from deploy.runtime.errors import InputError as BoardError
from deploy.runtime.preprocess import Preprocessor
from deploy.runtime.tensors import Normalization, TensorSpec
from recipes import rooms_tiny
from recipes.first_recipe import recipe_text


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
        label = label_files.read_label(path, colours if rng.random() < 0.3 else None)
        labels.check_labels(label, int(rng.integers(1, 300)), str(path), int(rng.integers(-1, 300)))
        labels.colorize(label, labels.palette(7))

    ends_well(read)


def folder_case(rng, folder):
    whole = rng.random() < 0.6
    if whole:
        write_frames(rng, folder, damage=0.6 * (rng.random() < 0.5))
    else:
        for kind in rng.choice(["rgb", "depth", "label", "color", "masks", "thermal"], 3):
            for index in range(int(rng.integers(0, 3))):
                beside = rng.random() < 0.2
                name = folder / (f"{index}_{kind}" if beside else f"{kind}/{index}")
                a_file(rng, name)
    options = {"classes": CLASSES, "palette": None, "size": None, "ignore": 255}
    options |= {"label_map": {"255": 1}, "depth_scale": 0.001, "depth_limits": None}
    options |= {"folders": {"rgb": "rgb"}, "colours": None, "seed": 0}
    if rng.random() < 0.3:
        options["fractions"] = {"train": 0.7, "val": 0.3}
    elif rng.random() < 0.3:
        options["lists"] = {"train": a_list(rng, folder / "l.txt", ["0", "1.npy", "2"]).name}
    pinhole = {"fx": 20.0, "fy": 20.0, "cx": 9.5, "cy": 9.5}
    if rng.random() < 0.3:
        options["cameras"] = {"rgb": pinhole, "depth": {**pinhole, "translation": [0.1, 0, 0]}}
    for _ in range(int(rng.integers(0, 3))):
        options = changed(rng, options)
    spec = {"name": "frames", "root": str(folder), **(options if isinstance(options, dict) else {})}
    names = ("rgb", "depth", "thermal") if whole else NAMES
    modalities = [str(name) for name in rng.choice(names, 2, replace=False)]

    def read():
        views = open_dataset(spec, "train", modalities if rng.random() < 0.5 else None)
        for index in range(len(views)):
            views[index]

    ends_well(read)
    ends_well(lambda: FolderViews(folder, modalities, classes=("a", "b"))[0])
    ends_well(lambda: FrameViews(folder)[0])


def spec_case(rng, folder):
    """The other data sets: options of other types, lists of other systems."""
    write_frames(rng, folder, damage=0.3 * (rng.random() < 0.5))
    lines = [f"rgb/{n}.npy\tlabel/{n}.npy\tdepth/{n}.npy" for n in range(3)]
    a_list(rng, folder / "train.txt", lines)
    a_list(rng, folder / "train_domain.txt", ["{domain}/0.npy", "{domain}/1.npy"])
    (folder / "data.mat").write_bytes(rng.bytes(99))
    specs = (
        {"name": "rooms", "seed": 0, "size": [16, 24], "train": 1, "cache": None, "workers": 1},
        {"name": "nyudv2", "root": str(folder), "depth_scale": 0.001, "classes": 13},
        {"name": "nyudv2", "mat": str(folder / "data.mat"), "crop": [8, 8]},
        {"name": "sunrgbd", "root": str(folder), "train_list": "train.txt"},
        {"name": "sunrgbd", "raw": str(folder), "labels": "toolbox"},
        {"name": "taskonomy", "root": str(folder), "domains": ["rgb", "normal"]},
    )
    spec = changed(rng, specs[int(rng.integers(len(specs)))])
    if isinstance(spec, dict) and isinstance(spec.get("cache"), str):
        spec["cache"] = str(folder / "cache")
    ends_well(lambda: open_dataset(spec, "train")[0])
    ends_well(lambda: open_domains(spec, "train", ("rgb", "depth"), SIZE)[0])


def survey_case(rng, folder):
    """What `recipes.new` looks at: one folder or splits, names of classes."""
    for split in ("train", "val") if rng.random() < 0.5 else ("",):
        write_frames(rng, folder / split, count=2, damage=0.8)
        if rng.random() < 0.5:
            a_file(rng, folder / split / str(rng.choice(["rgb", "label", "depth"])) / "9")
    if rng.random() < 0.4:
        a_list(rng, folder / "classes.txt", CLASSES)
    scale = (None, None, 0.001, 0.0, float("nan"), 1e9)[int(rng.integers(6))]
    modalities = (None, ["rgb", "depth"], ["thermal"], ["echo"])[int(rng.integers(4))]
    ignore = int(rng.choice([255, 0]))
    ends_well(lambda: recipe_text(survey_folder(folder, modalities, None, scale, ignore), "a"))


def run_case(rng, folder):
    """What lies in a run folder: data.json, and the numbers that were counted there."""
    write_frames(rng, folder / "views", damage=0)
    inputs = a_manifest(rng).inputs
    data = {
        "task": "segmentation",
        "dataset": {"name": "frames", "root": str(folder / "views"), "classes": CLASSES},
        "modalities": list(inputs),
        "classes": CLASSES,
        "palette": [[1, 2, 3], [90, 0, 0], [0, 90, 0]],
        "normalization": {name: {"scale": 1.0, "mean": [0], "std": [1]} for name in inputs},
        "descriptions": {name: modality_of(name).to_config() for name in inputs},
        "image_shape": list(SIZE),
        "ignore": 255,
    }
    for _ in range(int(rng.integers(0, 3))):
        data = changed(rng, data)
    (folder / "data.json").write_text(json.dumps(data), encoding="utf-8")
    if rng.random() < 0.3:
        (folder / "medians.json").write_text(json.dumps({"depth": odd(rng)}), encoding="utf-8")

    def read():
        run = open_run(folder)
        for name in run.modalities:
            run.input_spec(name, (1, *run.image_shape, 1))
            calibration.medians(run, name)
        assert isinstance(run.ignore, int)
        calibration.collect(run.views("train"), inputs, 2)

    ends_well(read)


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
    """Settings, and what a file of one's own may say, up to the first batch of a training."""
    write_frames(rng, folder, damage=0)
    base = rooms_tiny.RECIPE.derive(
        "own",
        data={"name": "frames", "root": str(folder), "classes": CLASSES},
        batch=2,
        augmentation={"size": SIZE},
    )
    keys = [*flatten(base.to_json()), *("data", "augmentation", "optimizer", "normalization")]
    keys += ["model", "model.fusion", "evaluation", "optimizer.global_clipnorm", "pixels_per_image"]
    words = [json.dumps(value) for value in ODD] + ["frames", "null", "[1,2", "a=b", "[16,24]"]
    settings = [f"{rng.choice(keys)}={rng.choice(words)}" for _ in range(int(rng.integers(1, 4)))]
    written = changed(rng, base.to_json())

    def start(recipe):
        task = task_of(recipe)
        task.check(recipe, OneDevice())
        callbacks_of(recipe.callbacks)
        loader = task.open_loader(recipe, "train", training=True)
        loader[0]
        loader.close()
        build_optimizer(recipe, 2)

    ends_well(lambda: start(apply_settings(base, settings)))
    ends_well(lambda: start(recipe_from_json(json.loads(json.dumps(written)))))
    ends_well(lambda: read_cameras(changed(rng, {"rgb": {"fx": 9, "fy": 9, "cx": 4, "cy": 4}})))


def ends_well(function):
    """Runs it; what it raises must be the user's error, in one line."""
    try:
        function()
    except (InputError, BoardError, OSError) as error:
        if isinstance(error, OSError):  # others keep their stack trace
            known = isinstance(error, FileNotFoundError) or error.errno in USERS_OS_ERRORS
            assert known, repr(error)
        assert str(error).strip() and "\n" not in str(error).strip(), repr(str(error))


CASES = (
    *(image_case, image_case, label_case, folder_case, folder_case, modality_case, spec_case),
    *(manifest_case, source_case, calibration_case, setting_case, survey_case, run_case),
)
"""Input N is drawn by case N modulo their number."""
