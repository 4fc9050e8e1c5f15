"""Decoders: from features at four strides to class logits at a quarter of the image's size.

The contract: `decoder(layers, features, num_classes, **options) -> logits`, where `features` is
what a backbone gives (see `cen_keras.backbones`) and `logits` are streams modality -> (b, h/4, w/4,
num_classes). Filters are shared; nothing is exchanged here.
"""

from cen_keras.decoders.light_refinenet import light_refinenet
from cen_keras.decoders.refinenet import refinenet

DECODERS = {"light_refinenet": light_refinenet, "refinenet": refinenet}
