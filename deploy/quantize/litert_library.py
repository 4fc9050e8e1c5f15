"""litert-quantizer as it is used here: its modules, its silence, layers that it leaves in float.

The library is young: only `litert`, `static` and `large_constants` use it, and they through this.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Sequence

from cen_keras.errors import InputError

from ..export.tflite_graph import Operator


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
