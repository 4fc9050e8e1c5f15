"""Run by test_backends.py in a process of its own, once per backend: prints what the layers and a model give.

Weights and inputs come from NumPy seeds, so every backend must print the same numbers.
"""

import json
import sys

import keras
import numpy as np
from seeded import images, trained_looking

from cen_keras.layers import BilinearResize
from cen_keras.losses import SegmentationLoss
from cen_keras.models import Segmenter


def fill(model, seed=0):
    """Kernels drawn by NumPy, in the order of the model's weights."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.path.endswith(("kernel", "bias")):
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            variable.assign(rng.normal(0, fan_in**-0.5, variable.shape))


def main():
    """Prints one JSON line."""
    result = {"backend": keras.backend.backend()}
    for modalities in (("rgb", "depth"), ("zeta", "alpha")):
        model = Segmenter(
            modalities, 4, "narrow", sparsity=0.01, decoder_options={"filters": 8, "pooling_stages": 1}
        )
        fill(model)
        trained_looking(model)
        x = images(model, (32, 48), batch=2)
        name = "-".join(modalities)
        result[name] = {
            key: keras.ops.convert_to_numpy(value).ravel()[:50].tolist() for key, value in model(x).items()
        }
        label = np.random.default_rng(1).integers(0, 4, (2, 32, 48))
        model.compile(keras.optimizers.SGD(0.01), loss=SegmentationLoss())
        history = model.fit(x, label, batch_size=2, epochs=2, shuffle=False, verbose=0)
        result[f"{name}-loss"] = history.history["loss"]
        model.save(f"{sys.argv[1]}/{name}.keras")
        again = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
        result[f"{name}-reload"] = max(
            float(keras.ops.max(keras.ops.abs(a - b)))
            for a, b in zip(again(x).values(), model(x).values(), strict=True)
        )
    image = np.random.default_rng(2).normal(size=(1, 5, 7, 2)).astype("float32")
    for mode in ("half_pixel", "align_corners"):
        out = BilinearResize((9, 4), mode)({"x": image})["x"]
        result[mode] = keras.ops.convert_to_numpy(out).ravel().tolist()
    print(json.dumps(result))


main()
