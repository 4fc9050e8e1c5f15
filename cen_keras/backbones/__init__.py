"""Backbones: from one image to features at four strides, in plain Keras.

The contract: a backbone is a function `backbone(image) -> features`, where

- `image` is a tensor (b, h, w, 3), normalised unless the network begins with a layer that does it,
- `features` is a dict level -> tensor with the levels "P2", "P3", "P4", "P5"; level Pn is 2^n
  times smaller than the image, its size rounded up; the `_dilated` ones keep P4 and P5 at the size
  of P3.

It knows nothing of modalities: `cen_keras.lift` shares its filters, makes its norms private and finds where channels
are exchanged. Layers are named `stack{1-4}_block{1-}_{conv,norm,relu}{1-}`. To add one, write the function and name it
here; a `Segmenter` takes any functional Keras model, too.
"""

from cen_keras.backbones.efficientnet_lite import EFFICIENTNETS
from cen_keras.backbones.mobilenet import MOBILENETS
from cen_keras.backbones.resnet import RESNETS

BACKBONES = {**RESNETS, **MOBILENETS, **EFFICIENTNETS}
