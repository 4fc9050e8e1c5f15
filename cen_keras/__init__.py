"""Channel-Exchanging Networks (Wang et al., NeurIPS 2020) for Keras.

    model = cen_keras.lift(network, ("rgb", "depth"), fusion=cen_keras.Exchange(sparsity=5e-4))
    model = cen_keras.Segmenter(("rgb", "depth"), num_classes=13)

Importing this package is enough for `keras.models.load_model` to read its `.keras` files; Keras itself is imported
with the first name that needs it.
"""

import importlib
import sys

from cen_keras.registration import register_with_keras

__version__ = "0.1.0"

_WHERE = {
    "Exchange": "cen_keras.fusion",
    "Modality": "cen_keras.modalities",
    "Segmenter": "cen_keras.models",
    "Translator": "cen_keras.models",
    "lift": "cen_keras.lifting",
    "register": "cen_keras.plugins",
}

__all__ = ["Exchange", "Modality", "Segmenter", "Translator", "lift", "register"]


def __getattr__(name: str):
    if name not in _WHERE:
        raise AttributeError(f"module 'cen_keras' has no attribute {name!r}")
    found = getattr(importlib.import_module(_WHERE[name]), name)
    if "keras" in sys.modules:
        # Whoever came by Keras this way may load models next.
        importlib.import_module("cen_keras.models")
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])


register_with_keras()
