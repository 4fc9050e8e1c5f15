"""Names of the official segmentation network beside the layers of our Segmenter.

The tables follow the order in which the official constructor registers its modules, which is the
order of its state dict. `module` in the middle of a name is the official wrapper that maps a layer
over the modalities.
"""

import re
from collections.abc import Iterator, Mapping

from cen_keras.converters.pairs import Pair, pair
from cen_keras.converters.resnet_pairs import encoder_pairs, layer_pairs
from cen_keras.decoders.joining import DOWNWARDS
from cen_keras.errors import InputError
from cen_keras.models import Segmenter

# Ours -> theirs for one level of the decoder; {k} counts the levels from the deepest.
LEVEL = (
    ("lateral", "p_ims1d2_outl{k}_dimred"),
    *(
        entry
        for unit in (1, 2)
        for entry in (
            (f"adapt_block{unit}_conv1", f"adapt_stage{{k}}_b.0.{unit}_conv"),
            (f"adapt_block{unit}_conv2", f"adapt_stage{{k}}_b.0.{unit}_conv_relu_varout_dimred"),
        )
    ),
    ("join", "adapt_stage{k}_b2_joint_varout_dimred"),
    *(
        (f"crp_conv{stage}", f"mflow_conv_g{{k}}_pool.0.{stage}_outvar_dimred")
        for stage in (1, 2, 3, 4)
    ),
    *(
        entry
        for unit in (1, 2, 3)
        for entry in (
            (f"flow_block{unit}_conv1", f"mflow_conv_g{{k}}_b.0.{unit}_conv"),
            (f"flow_block{unit}_conv2", f"mflow_conv_g{{k}}_b.0.{unit}_conv_relu_varout_dimred"),
        )
    ),
    ("up", "mflow_conv_g{k}_b3_joint_varout_dimred"),
)
LAYER3_BLOCKS = {6: "refinenet50", 23: "refinenet101", 36: "refinenet152"}


def _decoder_pairs(model: Segmenter) -> Iterator[Pair]:
    for k, level in enumerate(DOWNWARDS, start=1):
        for ours, theirs in LEVEL:
            # The deepest level has nothing to join, the finest has nowhere to go up to.
            if not (ours == "join" and k == 1) and not (ours == "up" and k == 4):
                yield from layer_pairs(model, f"decoder_{level.lower()}_{ours}", theirs.format(k=k))
    yield from layer_pairs(model, "classifier", "clf_conv")


def segmenter_pairs(model: Segmenter) -> list[Pair]:
    """Returns all pairs of a RefineNet on a bottleneck ResNet, in the official order.

    Raises:
        InputError: another architecture; the official code has no other.
    """
    if model.decoder != "refinenet" or model.backbone not in ("resnet50", "resnet101", "resnet152"):
        raise InputError(
            "the official code has RefineNet on ResNet-50, -101 and -152; found decoder "
            f"{model.decoder!r} on {model.backbone!r}. Build the Segmenter with "
            'decoder="refinenet", backbone="resnet101" (or 50, 152).'
        )
    alpha = pair("alpha", model.get_layer("ensemble").alpha)
    return [alpha, *encoder_pairs(model, model.backbone), *_decoder_pairs(model)]


def describe(state: Mapping[str, object]) -> str:
    """Returns a sentence on what a state dict seems to hold, for an error; "" if unknown."""
    blocks = {m[1] for key in state if (m := re.match(r"layer3\.(\d+)\.", str(key)))}
    streams = {m[1] for key in state if (m := re.match(r"bn1\.bn_(\d+)\.", str(key)))}
    name = LAYER3_BLOCKS.get(len(blocks))
    shape = getattr(state.get("clf_conv.module.bias"), "shape", ())
    if not name or not streams or len(shape) != 1:
        return ""
    return f"It looks like {name} with {len(streams)} modalities and {shape[0]} classes."
