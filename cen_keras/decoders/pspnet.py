"""PSPNet's head (Zhao et al., CVPR 2017): context from averages over four grids.

    P5 --+--------------------------------------------------------+-- concat -> conv 3x3 -> logits
         +-> average over 1x1, 2x2, 3x3, 6x6 bins -> conv -> up --+

Meant for a backbone of stride 8 such as "resnet101_dilated", then with logits at an eighth of the
image's size. CEN's authors report PSPNet and did not release it, so these are our choices:

- the head's norms start without ImageNet statistics, so they learn theirs even where the encoder's
  are frozen;
- the encoder keeps ResNet's 7x7 stem, which torchvision's weights fit, in place of PSPNet's three
  3x3 convolutions; the auxiliary loss on stage 4 is left out.
"""

import keras

from cen_keras.layers.blocks import batch_norm, conv, dropped, relu
from cen_keras.layers.pyramid_pool import PyramidPool
from cen_keras.layers.resize import resize_like


def pspnet(
    features: dict[str, keras.KerasTensor],
    num_classes: int,
    *,
    filters: int = 512,
    bins: tuple[int, ...] = (1, 2, 3, 6),
    dropout: float = 0.1,
) -> keras.KerasTensor:
    """Builds the decoder; see the contract in `cen_keras.decoders`.

    Args:
        features: level "P5" is used.
        num_classes: channels of the logits.
        filters: width of the 3x3 convolution.
        bins: rows and columns of each grid; every grid gives a `len(bins)`th of P5's channels.
        dropout: rate before the classifier.
    """
    x = features["P5"]
    width = x.shape[-1] // len(bins)
    parts = [x]
    for size in bins:
        name = f"decoder_pool{size}"
        part = PyramidPool(size, name=name)(x)
        part = conv(part, width, 1, name=f"{name}_conv")
        part = batch_norm(part, name=f"{name}_norm")
        part = relu(part, name=f"{name}_relu")
        parts.append(resize_like(part, x, mode="align_corners", name=f"{name}_resize"))
    x = keras.layers.Concatenate(name="decoder_concat")(parts)
    x = conv(x, filters, 3, name="decoder_conv")
    x = batch_norm(x, name="decoder_norm")
    x = relu(x, name="decoder_relu")
    x = dropped(x, dropout, 0, "decoder_dropout")
    return conv(
        x,
        num_classes,
        1,
        use_bias=True,
        name="classifier",
        kernel_initializer="glorot_uniform",
    )
