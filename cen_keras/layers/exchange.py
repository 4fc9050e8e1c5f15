"""Channel exchange, the heart of CEN (Wang et al., NeurIPS 2020, Eq. 6).

    x'[m, c] = x[m, c]                            where |gamma[m, c]| >= threshold
             = mean of x[m', c] over m' != m      where |gamma[m, c]| <  threshold

x[m, c] is channel c of modality m after its private normalisation and before the non-linearity; gamma is the scale of
that normalisation. An L1 penalty drives the scales in each modality's own part of the channels towards zero, so the
channels a modality can spare carry what the others saw:

    channel          0   1   2   3 | 4   5   6   7       own part of rgb: 0-3, of depth: 4-7
    gamma of rgb    .9  .0  .7  .0 | .8  .6  .9  .5
    gamma of depth  .6  .8  .5  .9 | .0  .7  .0  .8
    rgb stream       r   d   r   d | r   r   r   r       d: depth's map stands in for rgb's
    depth stream     d   d   d   d | r   d   r   d       r: rgb's map stands in for depth's

A replaced channel gets no task gradient; its donor gets it instead. Nothing here has parameters.

    rgb, depth = exchange_channels((rgb, depth), (gamma_rgb, gamma_depth), threshold=2e-2)
"""

from collections.abc import Sequence

from keras import KerasTensor, ops

from cen_keras.errors import InputError
from cen_keras.parts import own_part

SCOPES = ("subpart", "all")


def kept_channels(
    gamma: KerasTensor, threshold: float, modality: int, modalities: int, scope: str = "subpart"
) -> KerasTensor:
    """Returns a boolean (C,) mask of the channels that a modality keeps for itself.

    Args:
        gamma: (C,) floats, the scales of the modality's normalisation.
        threshold: a channel with |gamma| >= threshold stays; the boundary belongs to the stream.
        modality: index m of the modality.
        modalities: number of modalities M.
        scope: "subpart" lets only the modality's own part be replaced, as the paper draws it; "all" lets every
            channel be replaced, as the official code does.
    """
    keep = ops.abs(gamma) >= threshold
    if scope == "all":
        return keep
    channels = gamma.shape[0]
    part = own_part(modality, modalities, channels)
    index = ops.arange(channels)
    return ops.logical_or(keep, ops.logical_or(index < part.start, index >= part.stop))


def exchange_channels(
    streams: Sequence[KerasTensor],
    scales: Sequence[KerasTensor],
    threshold: float,
    scope: str = "subpart",
) -> list[KerasTensor]:
    """Replaces the channels whose scale is almost zero by the other modalities' mean (Eq. 6).

    Args:
        streams: M >= 2 float tensors of one shape (..., C), each the output of its modality's normalisation, in the
            order of the modalities.
        scales: M float tensors (C,), the gammas of these normalisations.
        threshold: theta of Eq. 6; |gamma| >= threshold keeps the channel.
        scope: "subpart" (only the modality's own C/M channels may be replaced) or "all" (the official code).

    Returns:
        M tensors with the shapes and dtypes of `streams`.

    Raises:
        InputError: fewer than two streams, another number of scales, or an unknown scope.
    """
    count = len(streams)
    if count < 2 or len(scales) != count:
        raise InputError(
            f"exchange needs two streams or more and one scale tensor each; found {count} streams "
            f"and {len(scales)} scales. With one modality leave the exchange out."
        )
    if scope not in SCOPES:
        raise InputError(f"exchange scope {scope!r} is unknown; choose one of {SCOPES}.")
    exchanged = []
    for m, (stream, gamma) in enumerate(zip(streams, scales, strict=True)):
        others = [other for index, other in enumerate(streams) if index != m]
        donor = others[0] if count == 2 else sum(others[1:], others[0]) / (count - 1)
        keep = kept_channels(gamma, threshold, m, count, scope)
        exchanged.append(ops.where(keep, stream, donor))
    return exchanged
