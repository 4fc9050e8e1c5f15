"""Backbones: from one image per modality to features at four strides.

The contract: a backbone is a function `backbone(layers, images) -> features`, where

- `layers` is a `StreamLayers`, through which it builds everything,
- `images` are streams modality -> (b, h, w, 3),
- `features` is a dict level -> streams with the levels "P2", "P3", "P4", "P5"; level Pn is 2^n times smaller than the
  image, its size rounded up.

It asks for the exchange with `layers.norm(..., exchange=True)` where the consumer is a convolution, so that freezing
can fold the exchange away. Layers are named `stack{1-4}_block{1-}_{conv,norm,relu}{1-}`. To add one, write the
function and name it here.
"""

from functools import partial

from cen_keras.backbones.resnet import basic_block, bottleneck, narrow_stem, resnet

BACKBONES = {
    # For demos and tests: a basic-block net of a few hundred thousand parameters.
    "narrow": partial(
        resnet, block=basic_block, blocks=(1, 2, 2, 1), widths=(24, 40, 64, 96), stem=narrow_stem
    ),
    "resnet18": partial(resnet, block=basic_block, blocks=(2, 2, 2, 2)),
    "resnet34": partial(resnet, block=basic_block, blocks=(3, 4, 6, 3)),
    "resnet50": partial(resnet, block=bottleneck, blocks=(3, 4, 6, 3)),
    "resnet101": partial(resnet, block=bottleneck, blocks=(3, 4, 23, 3)),
    "resnet152": partial(resnet, block=bottleneck, blocks=(3, 8, 36, 3)),
}
