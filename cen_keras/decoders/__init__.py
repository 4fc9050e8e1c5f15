"""Decoders: from features at several strides to class logits, in plain Keras.

The contract: `decoder(features, num_classes, **options) -> logits`, where `features` is what a
backbone gives (see `cen_keras.backbones`) and `logits` a tensor (b, h', w', num_classes) at the size
of level P2 (RefineNet, light or not: a quarter of the image's) or P5 (PSPNet: an eighth with a
dilated backbone). Lifted, filters are shared, norms private, and nothing is exchanged. The light ones can join the
streams on the way (`join`).
"""

import functools
import inspect
from collections.abc import Callable, Mapping

from cen_keras.decoders.light_fpn import light_fpn
from cen_keras.decoders.light_refinenet import light_refinenet
from cen_keras.decoders.pspnet import pspnet
from cen_keras.decoders.refinenet import refinenet
from cen_keras.errors import InputError
from cen_keras.plugins import find

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
    # In front are features and the number of classes.
    return [p.name for p in parameters[2:] if p.kind is not p.VAR_POSITIONAL]


def decoder_of(decoder: str | Callable, options: Mapping) -> Callable:
    """Returns a decoder's function, bound to its options.

    Args:
        decoder: a name in `DECODERS` or of a plug-in, or a function of the contract above.
        options: keyword arguments of the function.

    Raises:
        InputError: there is no decoder of that name, or it lacks an option.
    """
    function = decoder if callable(decoder) else find("decoder", decoder, DECODERS)
    known = options_of(function)
    unknown = sorted(set(options) - set(options if known is None else known))
    if unknown:
        name = decoder if isinstance(decoder, str) else function.__name__
        raise InputError(
            f"decoder {name!r} has no option {', '.join(unknown)}; it has "
            f"{', '.join(known) or 'none'}."
        )
    return functools.partial(function, **options)
