"""Backbones: from one image per modality to features at four strides.

The contract: a backbone is a function `backbone(layers, images) -> features`, where

- `layers` is a `StreamLayers`, through which it builds everything,
- `images` are streams modality -> (b, h, w, 3),
- `features` is a dict level -> streams with the levels "P2", "P3", "P4", "P5"; level Pn is 2^n
  times smaller than the image, its size rounded up; the `_dilated` ones keep P4 and P5 at the size
  of P3.

It asks for the exchange with `layers.norm(..., exchange=True)` where the consumer is a convolution,
so that freezing can fold the exchange away, and lets other fusion methods meet behind each stage
with `layers.fuse`. Layers are named
`stack{1-4}_block{1-}_{conv,norm,relu}{1-}`. To add one, write the function and name it here.
"""

from functools import partial

from cen_keras.backbones.mobilenet import mobilenet
from cen_keras.backbones.resnet import basic_block, bottleneck, narrow_stem, resnet

# Every 3x3 convolution of the last two stages is dilated, as in PSPNet's code; torchvision leaves
# the previous dilation to a stage's first block.
EIGHTH = {"block": bottleneck, "dilations": (1, 1, 2, 4)}

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
    # For small CPUs and large images: see cen_keras.models.presets.
    "mobilenet_s": partial(mobilenet, stem=8, widths=(16, 24, 48, 80), blocks=(1, 2, 3, 2)),
    "mobilenet_m": partial(mobilenet, stem=16, widths=(32, 64, 112, 192), blocks=(2, 3, 4, 3)),
    "mobilenet_l": partial(
        mobilenet, stem=24, widths=(40, 64, 128, 208), blocks=(3, 4, 6, 3), expansion=5
    ),
    # For PSPNet: an eighth of the image's size from P3 on.
    "resnet50_dilated": partial(resnet, blocks=(3, 4, 6, 3), **EIGHTH),
    "resnet101_dilated": partial(resnet, blocks=(3, 4, 23, 3), **EIGHTH),
    "resnet152_dilated": partial(resnet, blocks=(3, 8, 36, 3), **EIGHTH),
}
