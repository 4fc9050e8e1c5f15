"""litert-quantizer as it is used here: its modules, its silence, layers that it leaves in float, large
constants. The library is young: only `quantizer` uses it, and it through this.
"""

import contextlib
import dataclasses
import io
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np

from cen_keras.errors import InputError

from .graph import Operator

LARGE = 32 * 2**20


class Library:
    """The modules of litert-quantizer that are used here.

    Raises:
        InputError: it is not installed.
    """

    def __init__(self):
        try:
            from litert_quantizer import Quantizer, calibrator, qtyping, recipe, recipe_manager
            from litert_quantizer.utils import qsv_utils
        except ImportError as error:
            raise InputError(
                f"quantised LiteRT artifacts need litert-quantizer ({error}); "
                "pip install cen-keras[export]"
            ) from error
        self.Quantizer = Quantizer
        self.calibrator = calibrator
        self.qtyping = qtyping
        self.recipe = recipe
        self.recipe_manager = recipe_manager
        self.qsv_utils = qsv_utils

    def leave(self, quantizer, operators: Sequence[Operator]) -> None:
        """Leaves operators as they are; the library addresses them by their output tensors' names."""
        for operator in operators:
            quantizer.update_quantization_recipe(
                f"^{re.escape(operator.name)};?$",
                self.qtyping.TFLOperationName.ALL_SUPPORTED,
                algorithm_key="no_quantize",
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the library's progress bars and size report off the user's terminal."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def large_constants() -> Iterator[None]:
    """While this lasts, the library quantises constants above 32 MiB (`LARGE`) piece by piece.

    Its version 0.11 cannot scale such a constant by channel: it works on it in pieces, for which it
    flattens the constant but not its scales, and the two do not fit (google-ai-edge/ai-edge-quantizer,
    issues 472 and 512, open when this was written). RefineNet's first convolution of the decoder and
    PSPNet's last are of this size. Here the pieces are cut first, along the output channels, each
    small enough to go through whole.
    """
    from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor as library

    whole = library.uniform_quantize

    def by_pieces(tensor, parameters, *args, **kwargs):
        if tensor.ndim < 3 or tensor.nbytes <= LARGE or parameters.quantized_dimension != 0:
            return whole(tensor, parameters, *args, **kwargs)
        count = -(-tensor.nbytes // LARGE)
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
