"""What a .tflite file answers to samples."""

from collections.abc import Sequence

import numpy as np

from ..runtime.litert_runner import SIGNATURE


def answers(content: bytes, feeds: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Runs a file on every sample.

    Args:
        content: a .tflite file whose inputs take the samples as they are.
        feeds: arrays of batch 1 by input name.

    Returns:
        (n, ...) by output name.

    Raises:
        RuntimeError: the engine does not take the file.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    signature = interpreter.get_signature_runner(SIGNATURE)
    found: dict[str, list[np.ndarray]] = {}
    for feed in feeds:
        for name, value in signature(**feed).items():
            found.setdefault(name, []).append(np.array(value))
    return {name: np.concatenate(values) for name, values in found.items()}
