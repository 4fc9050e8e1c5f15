"""ImageNet weights for a backbone that is given by its name."""

import keras

from cen_keras.backbones.efficientnet_lite import EFFICIENTNETS
from cen_keras.backbones.resnet import RESNETS
from cen_keras.converters import efficientnet_lite, torch_resnet
from cen_keras.errors import InputError


def load_pretrained(network: keras.Model, weights: str) -> None:
    """Loads ImageNet weights into a plain backbone; all of them or, on any mismatch, nothing.

    Args:
        network: of the backbone, its name that of `BACKBONES`.
        weights: "imagenet" for those of an installed package, or a file.

    Raises:
        InputError: the backbone has none, the package is missing, or the file does not fit.
        FileNotFoundError: there is no such file.
    """
    if network.name in EFFICIENTNETS:
        efficientnet_lite.load(network, None if weights == "imagenet" else weights)
    elif network.name in RESNETS and weights != "imagenet":
        torch_resnet.load(weights, network)
    else:
        raise InputError(
            f"there are no weights {weights!r} for backbone {network.name!r}: {', '.join(EFFICIENTNETS)} take "
            '"imagenet", ResNets a file in torchvision\'s layout, and any keras.applications network brings its own.'
        )
