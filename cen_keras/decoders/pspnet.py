"""PSPNet's head (Zhao et al., CVPR 2017) over streams: context from averages over four grids.

    P5 --+--------------------------------------------------------+-- concat -> conv 3x3 -> logits
         +-> average over 1x1, 2x2, 3x3, 6x6 bins -> conv -> up --+

Meant for a backbone of stride 8 such as "resnet101_dilated", then with logits at an eighth of the
image's size. CEN's authors report PSPNet and did not release it, so these are our choices:

- filters are shared and each modality has its own BatchNorm, here as in the encoder; nothing is
  exchanged in the head;
- the head's norms start without ImageNet statistics, so they learn theirs even where the encoder's
  are frozen;
- the encoder keeps ResNet's 7x7 stem, which torchvision's weights fit, in place of PSPNet's three
  3x3 convolutions; the auxiliary loss on stage 4 is left out.
"""

import dataclasses

from cen_keras.layers.pyramid_pool import PyramidPool
from cen_keras.layers.stream_layers import StreamLayers, Streams


def pspnet(
    layers: StreamLayers,
    features: dict[str, Streams],
    num_classes: int,
    *,
    filters: int = 512,
    bins: tuple[int, ...] = (1, 2, 3, 6),
    dropout: float = 0.1,
    freeze_statistics: bool = False,
) -> Streams:
    """Builds the decoder; see the contract in `cen_keras.decoders`.

    Args:
        layers: builds what the network does to all streams.
        features: level "P5" is used.
        num_classes: channels of the logits.
        filters: width of the 3x3 convolution.
        bins: rows and columns of each grid; every grid gives a `len(bins)`th of P5's channels.
        dropout: rate before the classifier.
        freeze_statistics: freeze the head's statistics too.
    """
    layers = dataclasses.replace(layers, freeze_statistics=freeze_statistics)
    x = features["P5"]
    width = next(iter(x.values())).shape[-1] // len(bins)
    parts = [x]
    for size in bins:
        name = f"decoder_pool{size}"
        part = PyramidPool(size, name=name)(x)
        part = layers.conv(part, width, 1, name=f"{name}_conv")
        part = layers.norm(part, name=f"{name}_norm")
        part = layers.relu(part, name=f"{name}_relu")
        parts.append(layers.resize_like(part, x, mode="align_corners", name=f"{name}_resize"))
    x = layers.concat(parts, name="decoder_concat")
    x = layers.conv(x, filters, 3, name="decoder_conv")
    x = layers.norm(x, name="decoder_norm")
    x = layers.relu(x, name="decoder_relu")
    x = layers.dropout(x, dropout, name="decoder_dropout")
    return layers.conv(
        x,
        num_classes,
        1,
        use_bias=True,
        name="classifier",
        kernel_initializer="glorot_uniform",
    )
