"""Inputs drawn at random through `deploy export` and `deploy verify`, in a process of their own.

    python tests/fuzz_export.py FOLDER FIRST END

prints a line of JSON for each number, [number, what went wrong or ""]; a process that ends before END has
crashed at the number after its last line. Networks, frozen graphs and float files are made once, since
only what the user gives differs.
"""

import contextlib
import faulthandler
import functools
import io
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

import numpy as np
from fuzz_inputs import CLASSES, SIZE, a_number, an_array, changed, write_frames

SECONDS = int(os.environ.get("FUZZ_SECONDS", 60))
"""Longer than any of these small inputs takes: beyond it something hangs, or the machine is too busy."""
NETS = {"depth": ("rgb", "depth"), "thermal": ("rgb", "thermal")}
SCHEMES = {
    "tflite": ("fp32", "fp16", "dynamic_w8", "static_w8a8", "static_w8a8_float_head", "int16x8"),
    "onnx": ("fp32", "fp16", "static_w8a8"),
}
KEPT = [
    ("depth", "tflite", "fp32"),
    ("thermal", "tflite", "static_w8a8"),
    ("depth", "onnx", "fp32"),
]
"""Artifacts that are verified."""
# Each makes another graph, which takes seconds: few that work, and some that cannot.
OPTIONS = (
    *([],) * 8,
    ["--outputs", "ensemble", "--head", "classes"],
    ["--image-shape", "24x40"],
    ["--float-io"],
    ["--tune", "none"],
    ["--outputs", "nothing"],
    ["--head", "x"],
    ["--float-layers", "no_such_layer"],
    ["--image-shape", "0x5"],
    ["--calibration-count", "1"],
    ["--float-budget", "nan"],
)


def write_samples(rng, path, names):
    """A calibration file, in most cases with something that does not fit."""
    count = int(rng.integers(1, 4))
    arrays = {
        name: rng.normal(0, 0.4, (count, *SIZE, 3 if name == "rgb" else 1)).astype(np.float32)
        for name in names
    }
    name, draw = str(rng.choice(names)), rng.random()
    if draw < 0.2:
        arrays[name] = an_array(rng)
    elif draw < 0.35:
        arrays[name].flat[:: int(rng.integers(1, 99))] = a_number(rng)
    elif draw < 0.5:
        shape = [int(n) for n in rng.integers(0, 20, 4)]
        arrays[name] = rng.normal(size=shape).astype(rng.choice(["f2", "f4", "f8", "i4", "u1"]))
    elif draw < 0.6:
        arrays[str(rng.choice(["x", "rgb", "a/b"]))] = arrays.pop(name)
    elif draw < 0.7:
        arrays[name][:] = rng.choice([0.0, 1e-30, 3.0])
    np.savez(path, **arrays)
    if rng.random() < 0.1:
        path.write_bytes(path.read_bytes()[: int(rng.integers(0, 300))])
    return path


class Case:
    """Draws commands for the networks that lie in a folder.

    Args:
        nets: folder of the run folders.
    """

    def __init__(self, nets):
        self.nets = nets

    def command(self, rng, folder):
        """A command line, and in the folder all that it needs."""
        return self.verify(rng, folder) if rng.random() < 0.35 else self.export(rng, folder)

    def run(self, rng, net, folder):
        """A run folder of a network whose data set lies in this folder."""
        data = json.loads((self.nets / net / "data.json").read_text())
        data["model"] = str(self.nets / net / "best.keras")
        data["dataset"]["root"] = str(write_frames(rng, folder / "data"))
        if rng.random() < 0.1:
            data = changed(rng, data)
        (folder / "run").mkdir()
        (folder / "run" / "data.json").write_text(json.dumps(data))
        return folder / "run"

    def export(self, rng, folder):
        net, target = str(rng.choice(list(NETS))), str(rng.choice(list(SCHEMES)))
        run = self.run(rng, net, folder)
        schemes = [*SCHEMES[target], *(["static_w8a8"] * 3), "w4"]
        command = ["export", run, "--target", target, "--scheme", rng.choice(schemes)]
        command += OPTIONS[int(rng.integers(len(OPTIONS)))]
        draw = rng.random()
        if draw < 0.5:
            command += ["--calibration", write_samples(rng, folder / "samples.npz", NETS[net])]
        elif draw < 0.7:
            command += ["--calibration", write_frames(rng, folder / "frames", damage=1)]
        return command

    def verify(self, rng, folder):
        net, target, scheme = KEPT[int(rng.integers(len(KEPT)))]
        run = self.run(rng, net, folder)
        (kept,) = (self.nets / net / target).glob(f"{scheme}.{target}")
        artifact = Path(shutil.copy(kept, folder))
        manifest = json.loads(Path(f"{kept}.json").read_text())
        if rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 3))):
                manifest = changed(rng, manifest)
        Path(f"{artifact}.json").write_text(json.dumps(manifest))
        if rng.random() < 0.1:
            artifact.write_bytes(artifact.read_bytes()[: int(rng.integers(0, 9999))])
        command = ["verify", artifact, "--run", run, "--count", str(rng.integers(1, 4))]
        if rng.random() < 0.3:
            spec = {"name": "frames", "root": str(folder / "data"), "classes": CLASSES}
            command += ["--data", json.dumps(changed(rng, {**spec, "label_map": {"9": 1}}))]
        elif rng.random() < 0.3:
            command += ["--data", write_frames(rng, folder / "own", damage=1)]
        if target == "tflite" and rng.random() < 0.2:
            command += ["--layers", "1"]
        return command


def problem_of(command):
    """Runs a command; what is wrong with how it ended, or ""."""
    from deploy.__main__ import main

    words, errors = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(words), contextlib.redirect_stderr(errors):
            code = main([str(part) for part in command])
    except SystemExit as end:  # of argparse, which says how the command is used
        return "" if end.code == 2 else f"exit code {end.code}"
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(place.filename)}:{place.lineno}"
        return f"{type(error).__name__} {error!s:.150} ({where})"
    lines = [line for line in errors.getvalue().splitlines() if line.startswith("error: ")]
    if code == 2 and len(lines) != 1:
        return f"exit code 2, but printed {errors.getvalue()!r:.200}"
    return "" if code in (0, 1, 2) else f"exit code {code}"


def make_nets(folder):
    """Writes a run folder for each network, with seeded weights, and the artifacts to verify."""
    from seeded import trained_looking

    from cen_keras.backbones import BACKBONES
    from cen_keras.backbones.resnet import basic_block, resnet
    from cen_keras.modalities import modality_of
    from cen_keras.models import Segmenter

    BACKBONES["for_fuzz"] = functools.partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_size=3
    )
    thermal = modality_of({"name": "thermal", "scale": 1 / 65535})
    for net, names in NETS.items():
        kinds = [thermal if name == "thermal" else modality_of(name) for name in names]
        run = folder / net
        if (run / "ready").exists():
            continue
        model = trained_looking(
            Segmenter(
                kinds,
                num_classes=len(CLASSES),
                backbone="for_fuzz",
                decoder_options={"filters": 8, "pooling_stages": 1},
            )
        )
        write_frames(np.random.default_rng(0), run / "data", damage=0)
        model.save(run / "best.keras")
        data = {
            "task": "segmentation",
            "dataset": {"name": "frames", "root": str(run / "data"), "classes": CLASSES},
            "modalities": list(names),
            "classes": CLASSES,
            "palette": [[1, 2, 3], [90, 0, 0], [0, 90, 0]],
            "normalization": {},
            "descriptions": {kind.name: kind.to_config() for kind in kinds},
            "image_shape": list(SIZE),
        }
        (run / "data.json").write_text(json.dumps(data))
        for kept, target, scheme in KEPT:
            if kept == net:
                problem = problem_of(["export", run, "--target", target, "--scheme", scheme])
                if problem:
                    raise RuntimeError(problem)
        (run / "ready").touch()


def keep_what_is_made():
    """Makes each model, frozen graph and float file once."""
    from deploy import freeze, run_folder
    from deploy.targets import TARGETS

    load = functools.cache(run_folder.load_model)
    run_folder.load_model = load
    frozen = functools.cache(freeze.freeze_with_report)
    freeze.freeze_with_report = lambda model, wanted, shape, head: frozen(
        model, wanted, tuple(shape), head=head
    )
    for target in TARGETS.values():
        object.__setattr__(target, "write", functools.cache(target.write))


def main(folder, first, end):
    nets = folder / "nets"
    from deploy.host import quiet_tensorflow

    quiet_tensorflow()
    keep_what_is_made()
    make_nets(nets)
    case = Case(nets)
    for number in range(first, end):
        rng = np.random.default_rng(number)
        place = folder / str(number)
        place.mkdir()
        command = case.command(rng, place)
        (place / "command").write_text(" ".join(map(str, command)))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        problem = problem_of(command)
        faulthandler.cancel_dump_traceback_later()
        sys.__stdout__.write(json.dumps([number, problem]) + "\n")
        sys.__stdout__.flush()
        shutil.rmtree(place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
