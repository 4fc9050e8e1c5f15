"""Networks with the official names and a few thousand weights."""

from functools import partial

import numpy as np

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import resnet
from cen_keras.fusion import Exchange
from cen_keras.models import Segmenter


def narrow_resnets(monkeypatch, shallow=True):
    """Makes every ResNet narrow while a test runs; `shallow`: with one block in every stage."""
    for name, made in list(BACKBONES.items()):
        if name.startswith("resnet"):
            changed = {"widths": (4, 6, 8, 10)}
            if shallow:
                changed["blocks"] = (1, 1, 1, 1)
            monkeypatch.setitem(BACKBONES, name, partial(resnet, **{**made.keywords, **changed}))


def refinenet(
    modalities=("rgb", "depth"), num_classes=5, backbone="resnet50", exchange=None, **kwargs
):
    """Returns a small model with the names of the official one; `exchange` is the options of its exchange."""
    options = {"filters": 4, "deep_filters": 8, **kwargs.pop("decoder_options", {})}
    return Segmenter(
        modalities,
        num_classes,
        backbone,
        "refinenet",
        fusion=Exchange(scope="all", **(exchange or {})),
        decoder_options=options,
        **kwargs,
    )


def random_state(state, seed=0):
    """Returns a state dict of the same names and shapes with other numbers."""
    rng = np.random.default_rng(seed)
    return {
        key: np.array(5, "int64")
        if key.endswith("num_batches_tracked")
        else rng.uniform(0.2, 1, value.shape).astype("float32")
        for key, value in state.items()
    }
