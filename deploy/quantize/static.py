"""A float .tflite file in 8 bits, or 8 and 16, with ranges of activations that calibration found.

Ranges of activations are the smallest and largest values seen over the calibration samples. For 8
bits those next to nothing are widened (`widen`), and all between inputs and outputs are scaled where
that is nearer to the float model (`tighten`). The library's own default, a moving
average, forgets the extremes when samples are few and clips them, better or not; mean squared error as
criterion puts quantise/dequantise pairs around static operators.
"""

from collections.abc import Sequence

import numpy as np

from ..export.tflite_graph import Operator, read_tensors
from ..runtime.litert_runner import SIGNATURE
from .fitting_shifts import fit_shifts
from .large_constants import large_constants
from .litert_library import Library, quiet
from .samples import Samples, check_samples, feeds_of
from .silent_ranges import Ranges, widen
from .tflite_file import pack, unpack
from .tight_ranges import tighten


class Static:
    """A float file with the ranges of its activations, to be quantised once or many times.

    Args:
        content: a float .tflite file with batch 1.
        samples: float32 (n, h, w, c) by input name.
        activation_bits: 8 or 16.

    Raises:
        InputError: litert-quantizer is not installed, or the samples are not those of the inputs.
    """

    def __init__(self, content: bytes, samples: Samples, activation_bits: int = 8):
        self._library = Library()
        check_samples(read_tensors(content).inputs, samples)
        self._content = content
        recipes = self._library.recipe
        self._recipe = {8: recipes.static_wi8_ai8, 16: recipes.static_wi8_ai16}[activation_bits]
        self.ranges = self._seen(samples)
        if activation_bits == 8:
            self.ranges = widen(content, self.ranges)
            self.ranges = tighten(content, self.ranges, samples, self._in_eight_bits)

    def quantise(
        self,
        float_operators: Sequence[Operator] = (),
        integer_io: bool = True,
        float_outputs: bool = False,
    ) -> bytes:
        """Writes the file in 8 bits, or 16 and 8.

        Args:
            float_operators: what stays in float32.
            integer_io: inputs and outputs are integer codes.
            float_outputs: outputs are float32 whatever the inputs are.
        """
        return self._with_ranges(self.ranges, float_operators, integer_io, float_outputs)

    def _seen(self, samples: Samples) -> Ranges:
        """The smallest and largest values of all tensors over the samples."""
        # Quantizer.calibrate() offers no choice of update; the calibrator beneath it does.
        manager = self._library.recipe_manager.RecipeManager()
        manager.load_quantization_recipe(self._recipe())
        with quiet(), large_constants():
            calibrator = self._library.calibrator.Calibrator(
                self._content,
                1,
                self._library.calibrator.CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS,
                self._library.qsv_utils.min_max_update,
            )
            calibrator.calibrate({SIGNATURE: feeds_of(samples)}, manager)
        return calibrator.get_model_qsvs()

    def _in_eight_bits(self, ranges: Ranges) -> bytes:
        """All of the file with other ranges; inputs and outputs as the float file has them."""
        return self._with_ranges(ranges, integer_io=False)

    def _with_ranges(
        self,
        ranges: Ranges,
        float_operators: Sequence[Operator] = (),
        integer_io: bool = True,
        float_outputs: bool = False,
    ) -> bytes:
        quantizer = self._library.Quantizer(self._content, self._recipe())
        operation = self._library.qtyping.TFLOperationName
        if not integer_io:
            quantizer.update_quantization_recipe(".*", operation.INPUT, algorithm_key="no_quantize")
        if not integer_io or float_outputs:
            quantizer.update_quantization_recipe(
                ".*", operation.OUTPUT, algorithm_key="no_quantize"
            )
        self._library.leave(quantizer, float_operators)
        with quiet(), large_constants():
            written = quantizer.quantize(ranges).quantized_model
        return fit_shifts(self._content, _outputs_of_signature(written))


def _outputs_of_signature(content: bytes) -> bytes:
    """Makes the graph's outputs those of its signature.

    Where a float output is read by an operator in 8 bits as well (logits that are averaged), the
    library lists its codes as the graph's output, and the engine never computes what the signature
    names.
    """
    model = unpack(content)
    changed = False
    for signature in model.signatureDefs:
        graph = model.subgraphs[signature.subgraphIndex]
        named = {entry.tensorIndex for entry in signature.outputs}
        if named != set(graph.outputs):
            graph.outputs, changed = np.array(sorted(named), np.int32), True
    return pack(model) if changed else bytes(content)
