"""Constants above 32 MiB through litert-quantizer 0.11, which cannot scale them by channel.

It works on such a constant in pieces, for which it flattens the constant but not its scales; the two
then do not fit (google-ai-edge/ai-edge-quantizer, issues 472 and 512, open when this was written).
RefineNet's first convolution of the decoder and PSPNet's last are of this size. Here the pieces are
cut first, along the output channels, each small enough to go through whole.
"""

import contextlib
import dataclasses
from collections.abc import Iterator

import numpy as np

LIMIT = 32 * 2**20


@contextlib.contextmanager
def large_constants() -> Iterator[None]:
    """While this lasts the library quantises large constants piece by piece."""
    from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor as library

    whole = library.uniform_quantize

    def by_pieces(tensor, parameters, *args, **kwargs):
        if tensor.ndim < 3 or tensor.nbytes <= LIMIT or parameters.quantized_dimension != 0:
            return whole(tensor, parameters, *args, **kwargs)
        count = -(-tensor.nbytes // LIMIT)
        pieces = []
        for rows in np.array_split(np.arange(len(tensor)), count):
            part = slice(rows[0], rows[-1] + 1)
            scaled = dataclasses.replace(
                parameters, scale=parameters.scale[part], zero_point=parameters.zero_point[part]
            )
            pieces.append(whole(tensor[part], scaled, *args, **kwargs))
        return np.concatenate(pieces)

    library.uniform_quantize = by_pieces
    try:
        yield
    finally:
        library.uniform_quantize = whole
