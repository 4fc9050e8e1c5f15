"""Decoders: from features at several strides to class logits.

The contract: `decoder(layers, features, num_classes, **options) -> logits`, where `features` is
what a backbone gives (see `cen_keras.backbones`) and `logits` are streams modality -> (b, h', w',
num_classes) at the size of level P2 (RefineNet, light or not: a quarter of the image's) or P5
(PSPNet: an eighth with a dilated backbone). Filters are shared; nothing is exchanged here.
"""

import inspect

from cen_keras.decoders.light_fpn import light_fpn
from cen_keras.decoders.light_refinenet import light_refinenet
from cen_keras.decoders.pspnet import pspnet
from cen_keras.decoders.refinenet import refinenet

DECODERS = {
    "light_fpn": light_fpn,
    "light_refinenet": light_refinenet,
    "refinenet": refinenet,
    "pspnet": pspnet,
}


def options_of(decoder) -> list[str] | None:
    """Returns the names of the options a decoder takes; None where it takes any."""
    parameters = list(inspect.signature(decoder).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    # In front are layers, features and the number of classes.
    return [p.name for p in parameters[3:] if p.kind is not p.VAR_POSITIONAL]
