"""The error of every layer of a .tflite file against its float counterpart.

Both files come out of one converter, so a layer's result has one name in both. The errors of a layer
hold those of all before it; what a layer costs by itself is shown by `deploy sensitivity`.
"""

from dataclasses import dataclass

import numpy as np

from .runtime.litert_runner import SIGNATURE
from .runtime.postprocess import real_values
from .tflite.graph import layer_name, quantization_of, read_operators
from .tflite.samples import coded


@dataclass(frozen=True)
class LayerError:
    """One layer.

    Attributes:
        name: of the layer of the frozen graph.
        kind: of its operator.
        noise: noise power over signal power of its result, worst of the samples.
    """

    name: str
    kind: str
    noise: float

    def to_json(self) -> dict:
        """The fields, and the noise in decibels below the signal."""
        return {"name": self.name, "kind": self.kind, "noise": self.noise, "sqnr_db": self.sqnr_db}

    @property
    def sqnr_db(self) -> float:
        """Decibels that the noise lies below the signal."""
        return float(-10 * np.log10(max(self.noise, 1e-30)))


def layer_errors(
    content: bytes, reference: bytes, feeds: list[dict[str, np.ndarray]]
) -> list[LayerError]:
    """Compares two .tflite files operator by operator, in the order in which they run.

    Args:
        content: the file in question.
        reference: the float file that it was made of.
        feeds: float32 (1, h, w, c) by input name, normalised; one dict for each sample.

    Returns:
        An entry for each operator of `content` whose result has a counterpart; none where the files
        share no names.
    """
    worst: dict[str, float] = {}
    for feed in feeds:
        wanted, found = _results(reference, feed), _results(content, feed)
        for name in wanted.keys() & found.keys():
            # Outputs of two heads share a name.
            if wanted[name].shape != found[name].shape:
                continue
            power = float((wanted[name] ** 2).sum())
            noise = float(((found[name] - wanted[name]) ** 2).sum()) / max(power, 1e-30)
            worst[name] = max(worst.get(name, 0.0), noise)
    return [
        LayerError(layer_name(operator), operator.kind, worst[operator.name])
        for operator in read_operators(content)
        if operator.name in worst
    ]


def _results(content: bytes, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What every operator computes, as float64 by the name of its result.

    LiteRT's plain kernels run, since XNNPACK keeps its intermediate results to itself.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner(SIGNATURE)
    inputs = signature.get_input_details()
    signature(**{name: coded(feed[name], details) for name, details in inputs.items()})
    tensors = {details["index"]: details for details in interpreter.get_tensor_details()}
    found = {}
    for operator in read_operators(content):
        index = operator.outputs[0]
        details = tensors[index]
        if details["dtype"] in (np.float32, np.int8, np.int16):
            values = real_values(interpreter.get_tensor(index), quantization_of(details))
            found[operator.name] = values.astype(np.float64)
    return found
