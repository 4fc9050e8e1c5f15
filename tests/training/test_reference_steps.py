"""Three training steps of RefineNet-50 against the official code, and its penalty and decay alone.

Settings of the vectors: statistics frozen, gamma and beta trained, no dropout; SGD with momentum
0.9 and weight decay 1e-5 on everything, learning rate 1e-5 for the encoder and 5e-5 for the rest;
cross-entropy over the valid pixels summed over rgb, depth and ensemble; L1 of 2e-4 added once for
each of these three outputs, so 6e-4.
"""

import json

import keras
import numpy as np
import pytest
import reference
from tiny_resnets import narrow_resnets, refinenet

from cen_keras.converters import torch_cen
from cen_keras.fusion import Exchange
from cen_keras.losses import SegmentationLoss
from cen_keras.models import Segmenter
from cen_keras.training.optimizers import ENCODER, GroupedSGD

OUTPUTS = ("rgb", "depth", "ensemble")
PENALTY = {"sparsity": 3 * 2e-4, "freeze_statistics": True}
NO_DROPOUT = {"dropout": 0.0}
DECAY = 1e-5
# On TensorFlow three steps run sooner than the graph of the training step is made. On JAX a step
# that is not compiled as a whole is compiled operator by operator, backward pass and all.
EAGERLY = keras.backend.backend() != "jax"


@pytest.mark.gate
def test_three_steps_equal_the_official_code():
    model = Segmenter(
        num_classes=40,
        backbone="resnet50",
        decoder="refinenet",
        fusion=Exchange(scope="all", **PENALTY),
        decoder_options=NO_DROPOUT,
    )
    before = reference.state_dict("refinenet50")
    torch_cen.load(before, model)
    vectors = reference.read("refinenet50")
    x, label = reference.inputs()
    optimizer = GroupedSGD(5e-5, groups={ENCODER: 1e-5}, coupled_weight_decay=DECAY)
    model.compile(optimizer, loss=SegmentationLoss(), run_eagerly=EAGERLY)
    for step in range(3):
        model.reset_metrics()
        logs = model.train_on_batch(x, label, return_dict=True)
        # Every step's loss depends on all parameters, and the vectors have 40 logits of size 10
        # around each pixel: a float32 forward pass is good for 1e-5 of it, and a step carries that
        # on. Measured: 9e-6 after two steps.
        assert logs["loss"] == pytest.approx(vectors["train_total_loss"][step], rel=1e-3)
        for name, wanted in zip(OUTPUTS, vectors["train_cross_entropy"][step], strict=True):
            assert logs[f"{name}_loss"] == pytest.approx(wanted, rel=1e-3), (step, name)

    after = torch_cen.state_dict(model)

    def moved(state, key):
        return state[key].astype("float64") - before[key].astype("float64")

    wanted = {key: vectors[f"after3:{key}"] for key in before if f"after3:{key}" in vectors}
    # A change is a difference of float32 numbers of size w: known to 6e-8 * w, which for alpha
    # (w 0.6, change 4e-5) and the classifier (w 0.3, change 7e-5) is 0.1 % and less, and for the
    # bias of layer4 (w 0.3, change 3e-6) 1 %; two such differences are compared.
    for key, tolerance in (
        ("alpha", 1e-2),
        ("clf_conv.module.bias", 1e-2),
        ("layer4.2.bn3.bn_1.bias", 5e-2),
    ):
        assert reference.relative(moved(after, key), moved(wanted, key)) < tolerance, key
    # The gammas of layer1 move by about one float32 unit only: within two of the official ones.
    for key in ("layer1.0.bn2.bn_0.weight", "layer1.0.bn2.bn_1.weight"):
        np.testing.assert_allclose(after[key], wanted[key], atol=1.2e-7, rtol=0)
    # Frozen statistics stay to the bit.
    for key in before:
        if "running" in key:
            np.testing.assert_array_equal(after[key], before[key])


@keras.saving.register_keras_serializable("tests")
class NoTask(keras.losses.Loss):
    """A task loss that is zero with a zero gradient."""

    def call(self, y_true, y_pred):
        return 0.0 * keras.ops.sum(y_pred, axis=(1, 2, 3))


def test_penalty_and_decay_alone(monkeypatch):
    narrow_resnets(monkeypatch, shallow=False)
    model = refinenet(num_classes=40, exchange=PENALTY, decoder_options=NO_DROPOUT)
    rng = np.random.default_rng(0)
    # Small enough that nothing overflows: zero times infinity would be a gradient.
    before = {
        key: value
        if key.endswith("num_batches_tracked")
        else rng.normal(0, 0.2, value.shape).astype("float32")
        if "running" not in key
        else rng.uniform(0.5, 1, value.shape).astype("float32")
        for key, value in torch_cen.state_dict(model).items()
    }
    torch_cen.load(before, model)
    model.compile(
        GroupedSGD(1.0, momentum=0.9, coupled_weight_decay=DECAY),
        loss=NoTask(),
        run_eagerly=EAGERLY,
    )
    x = {"rgb": np.ones((1, 32, 32, 3), "float32"), "depth": np.ones((1, 32, 32, 1), "float32")}
    model.train_on_batch(x, np.zeros((1, 32, 32), "int32"))
    after = torch_cen.state_dict(model)

    halves = dict(json.loads((reference.VECTORS / "slim_halves.json").read_text()))
    assert set(halves) <= set(before) and len(halves) == 32
    for key, w in before.items():
        if "running" in key or key.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(after[key], w)
            continue
        step = DECAY * w.astype("float64")
        if key in halves:
            middle = len(w) // 2
            part = slice(0, middle) if halves[key] == "first" else slice(middle, None)
            step[part] += 6e-4 * np.sign(w[part])
        # The result is rounded to half a float32 unit, 6e-8 of w; the step itself is far finer.
        assert np.all(np.abs(after[key] - (w - step)) <= 1.2e-7 * np.abs(w) + 1e-9), key
