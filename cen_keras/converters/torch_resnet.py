"""ImageNet ResNets in torchvision's layout, into the encoder of every modality.

As in CEN's official code the filters, the 7x7 stem included, serve every modality, and each private
BatchNorm starts as a copy of the ImageNet one; the ImageNet classifier is left out.

    torch_resnet.load("resnet101-5d3b4d8f.pth", model)
"""

import dataclasses
import os
import re
from collections.abc import Mapping

import keras

from cen_keras.converters.checkpoint_file import read_checkpoint
from cen_keras.converters.pairs import Pair, load_pairs, state_dict_of
from cen_keras.converters.resnet_pairs import encoder_pairs

CLASSIFIER = ("fc.weight", "fc.bias")


def torchvision_name(key: str) -> str:
    """Returns torchvision's name of a tensor that CEN names `key`: no wrapper, no modality."""
    return re.sub(r"\.bn_\d+", "", key.replace(".module", ""))


def resnet_pairs(model: keras.Model) -> list[Pair]:
    """Returns the pairs of a model's encoder; each modality's norms read the same tensors."""
    pairs = encoder_pairs(model, getattr(model, "backbone", model.name))
    return [dataclasses.replace(p, key=torchvision_name(p.key)) for p in pairs]


def load(source: str | os.PathLike | Mapping, model: keras.Model) -> None:
    """Loads an ImageNet ResNet into an encoder; all of it or, on any mismatch, nothing.

    Args:
        source: path of a torchvision file, or a mapping of names to arrays or tensors, which needs
            no torch.
        model: a Segmenter whose backbone is a ResNet, dilated or not, of the file's depth; or the plain backbone,
            with its name.

    Raises:
        InputError: the file cannot be read safely, the backbone is no ResNet, or the file's tensors
            are not exactly the encoder's (and an ImageNet classifier); it lists which.
        FileNotFoundError: there is no such file.
    """
    name = "the state dict"
    if not isinstance(source, Mapping):
        name = str(source)
        source = read_checkpoint(source)
    state = state_dict_of(source, "state_dict", name)
    hint = f"The model's backbone is {getattr(model, 'backbone', model.name)}."
    load_pairs(resnet_pairs(model), state, name, ignored=CLASSIFIER, hint=hint)
