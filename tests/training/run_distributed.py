"""Run by test_distribution.py in a process of its own: one training on several devices and on one.

    run_distributed.py OUT mirrored            two logical CPU devices of TensorFlow
    run_distributed.py OUT hosts ADDRESS I     process I of two on JAX

Writes OUT, a .npz: {case}/{start,one,many}/{weight}, and {case}/{one,many}/loss.
"""

import sys

from cen_keras.training.distribution import OneDevice, distribution_of

OUT, KIND = sys.argv[1:3]
if KIND == "mirrored":
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
# Before anything else asks JAX for its devices.
MANY = distribution_of(KIND, *([sys.argv[3], 2, int(sys.argv[4])] if KIND == "hosts" else []))

import keras  # noqa: E402
import numpy as np  # noqa: E402

from cen_keras.backbones import BACKBONES  # noqa: E402
from cen_keras.data.loader import EpochCallback, Loader  # noqa: E402
from cen_keras.data.views import Views  # noqa: E402
from cen_keras.decoders import DECODERS  # noqa: E402
from cen_keras.fusion import Exchange  # noqa: E402
from cen_keras.layers import blocks  # noqa: E402
from cen_keras.models import Segmenter  # noqa: E402
from cen_keras.training.optimizers import ENCODER, GroupedSGD  # noqa: E402


class Scenes(Views):
    """Random pictures with random labels, of which every other one ignores 95 %."""

    name = "scenes"
    classes = ("wall", "floor", "bed")

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        label = rng.integers(0, 3, (16, 16)).astype(np.uint8)
        if index % 2:
            label[rng.random((16, 16)) < 0.95] = 255
        return {
            "rgb": rng.integers(0, 256, (16, 16, 3)).astype(np.uint8),
            "depth": rng.uniform(1, 5, (16, 16)).astype(np.float32),
            "label": label,
        }


def backbone(image):
    """An exchanging norm and a plain one."""
    x = blocks.conv(image, 8, 3, strides=2, name="stem_conv")
    x = blocks.relu(blocks.batch_norm(x, name="stem_norm"), name="stem_relu")
    x = blocks.conv(x, 8, 3, name="stack1_conv")
    return {"P2": blocks.batch_norm(x, name="stack1_norm")}


def decoder(features, num_classes):
    """One convolution."""
    return blocks.conv(features["P2"], num_classes, 1, name="logits", use_bias=True)


BACKBONES["two_norms"] = backbone
DECODERS["one_conv"] = decoder


def train(distribution, views, frozen):
    """Trains two epochs; returns the weights before and after, and the losses."""
    keras.utils.set_random_seed(0)
    with distribution.scope():
        model = Segmenter(
            ("rgb", "depth"),
            3,
            "two_norms",
            "one_conv",
            fusion=Exchange(
                sparsity=5e-3,
                where="^stem_norm$",
                gamma_initializer=0.3,
                freeze_statistics=frozen,
            ),
        )
        distribution.prepare(model)
        model.compile(
            GroupedSGD(0.1, groups={ENCODER: 0.05}, coupled_weight_decay=1e-3),
            loss=distribution.loss(),
            jit_compile=KIND == "hosts",
        )
    start = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    loader = Loader(
        Scenes(views), 4, shuffle=True, share=distribution.share, drop_last=views % 4 == 0
    )
    with distribution.running():
        history = model.fit(
            distribution.batches(loader),
            shuffle=False,
            epochs=2,
            verbose=0,
            callbacks=[EpochCallback(loader)],
        )
    end = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    return start, {**end, "loss": np.array(history.history["loss"])}


def main():
    """Trains each case on several devices and on one."""
    # With 11 pictures the last batch has 3: two for one replica, one for the other. Processes of
    # JAX always take equal parts.
    views = 11 if KIND == "mirrored" else 12
    arrays = {}
    # Frozen statistics are a case of their own for replicas only: on JAX nothing is synchronised by
    # hand.
    cases = {"synchronised": False} | ({"frozen": True} if KIND == "mirrored" else {})
    for case, frozen in cases.items():
        start, many = train(MANY, views, frozen)
        _, one = train(OneDevice(), views, frozen) if MANY.writes else (None, {})
        for group, weights in (("start", start), ("many", many), ("one", one)):
            arrays.update({f"{case}/{group}/{name}": value for name, value in weights.items()})
    MANY.agree(0)
    if MANY.writes:
        np.savez(OUT, **arrays)


main()
