"""The reference vectors: outputs of the official code for weights that a rule gives by name."""

import json
import zlib
from pathlib import Path

import numpy as np

VECTORS = Path(__file__).parent / "vectors"


def read(name):
    """Returns the arrays of a vector file; see `vectors/README.md`."""
    with np.load(VECTORS / f"{name}.npz") as file:
        return dict(file)


def inputs():
    """Returns (images by modality, labels) of the RefineNet vectors."""
    arrays = read("refinenet_inputs")
    return {m: arrays[m] for m in ("rgb", "depth")}, arrays["label"].astype("int32")


def logits(name):
    """Returns the official logits of every stream and the ensemble."""
    arrays, weights = read(name), read("refinenet_inputs")["alpha_softmax"]
    streams = {m: arrays[f"logits_{m}"] for m in ("rgb", "depth")}
    ensemble = weights[0] * streams["rgb"] + weights[1] * streams["depth"]
    return {**streams, "ensemble": ensemble}


def keys(name):
    """Returns state-dict key -> PyTorch shape of a network such as "refinenet50"."""
    return {k: tuple(s) for k, s in json.loads((VECTORS / f"{name}_keys.json").read_text()).items()}


def weight(key, shape):
    """Returns the tensor that the rule of the vectors gives a key."""
    r = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, "int64")
    if key == "alpha":
        value = r.uniform(-1, 1, shape)
    elif key.endswith("running_mean"):
        value = r.normal(0, 0.1, shape)
    elif key.endswith("running_var"):
        value = r.uniform(0.5, 1.5, shape)
    elif len(shape) == 4:
        value = r.normal(0, 1, shape) * np.sqrt(1 / (shape[1] * shape[2] * shape[3]))
    elif len(shape) == 1 and key.endswith("weight"):
        a, d, g = r.uniform(0.2, 1, shape), r.uniform(0, 1, shape), r.uniform(0, 1, shape)
        value = np.where(d < 0.3, a * 0.01, a) * np.where(g < 0.1, -1, 1)
    else:
        value = r.normal(0, 0.1, shape)
    return value.astype("float32")


def state_dict(name):
    """Returns a network's state dict: every key's tensor as NumPy."""
    return {key: weight(key, shape) for key, shape in keys(name).items()}


def relative(found, wanted):
    """Returns the largest difference over the largest magnitude."""
    wanted = np.asarray(wanted, "float64")
    return np.abs(np.asarray(found, "float64") - wanted).max() / np.abs(wanted).max()
