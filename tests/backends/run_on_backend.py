"""Run by test_backends.py in a process of its own, once per backend: prints what the layers and a model give.

Weights and inputs come from NumPy seeds, so every backend must print the same numbers. Small shapes, and few of them:
JAX compiles every one that it meets.
"""

import json
import sys
from functools import partial

import keras
import numpy as np
from seeded import batch_norm, each, images, make_variables, trained_looking

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, resnet
from cen_keras.fusion import Exchange
from cen_keras.layers import BilinearResize, ModalityEnsemble, ModalityNorm
from cen_keras.losses import SegmentationLoss
from cen_keras.models import Segmenter, Translator


def fill(model, seed=0):
    """Kernels drawn by NumPy, in the order of the model's weights."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if variable.path.endswith(("kernel", "bias")):
            fan_in = max(1, int(np.prod(variable.shape[:-1])))
            variable.assign(rng.normal(0, fan_in**-0.5, variable.shape))
    return trained_looking(model)


def one_layer(modalities):
    """Convolution, exchange, ensemble."""
    inputs = {m: keras.Input((6, 6, 2), name=m) for m in modalities}
    x = each(keras.layers.ZeroPadding2D(1, name="pad"), inputs)
    x = each(keras.layers.Conv2D(8, 3, strides=2, name="conv"), x)
    x = ModalityNorm(modalities, batch_norm(), exchange_threshold=0.02, name="norm")(x)
    return keras.Model(inputs, {**x, "ensemble": ModalityEnsemble(modalities, name="ensemble")(x)})


def main():
    """Prints one JSON line."""
    result = {"backend": keras.backend.backend()}

    def predict(model, x):
        # By name: a backend may hand a dict over in another order.
        outputs = model.predict(x, verbose=0)
        result.update(
            {f"{'-'.join(x)}-{name}": out.ravel()[:50].tolist() for name, out in outputs.items()}
        )
        return outputs

    layer = fill(one_layer(("rgb", "depth")))
    predict(layer, images(layer, (6, 6), batch=2))

    tiny = partial(resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(8, 8, 8, 8), stem_size=3)
    BACKBONES["tiny"] = tiny
    options = {"filters": 8, "pooling_stages": 1}
    model = fill(
        Segmenter(
            ("zeta", "alpha"), 4, "tiny", fusion=Exchange(sparsity=0.01), decoder_options=options
        )
    )
    x = images(model, (32, 48), batch=2)
    before = predict(model, x)
    model.save(f"{sys.argv[1]}/model.keras")
    after = keras.models.load_model(f"{sys.argv[1]}/model.keras").predict(x, verbose=0)
    result["reload"] = max(float(np.abs(before[name] - after[name]).max()) for name in before)
    label = np.random.default_rng(1).integers(0, 4, (2, 32, 48))
    model.compile(keras.optimizers.SGD(0.01), loss=SegmentationLoss())
    make_variables(model)
    result["loss"] = model.fit(x, label, epochs=2, shuffle=False, verbose=0).history["loss"]

    translator = Translator(
        ("south", "north"), "target", base_filters=4, discriminator_filters=4, depth=3
    )
    fill(translator.generator, seed=3)
    predict(translator.generator, images(translator.generator, (16, 24), batch=2, seed=4))

    image = np.random.default_rng(2).normal(size=(1, 5, 7, 2)).astype("float32")
    for mode in ("half_pixel", "align_corners"):
        out = BilinearResize((9, 4), mode)(image)
        result[mode] = keras.ops.convert_to_numpy(out).ravel().tolist()
    print(json.dumps(result))


main()
