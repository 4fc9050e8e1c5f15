"""Losses, metrics and weights of a model whose streams learn one label; saving and loading what was compiled."""

import keras
import numpy as np
import pytest
from seeded import make_variables

from cen_keras.errors import InputError
from cen_keras.losses import SegmentationLoss
from cen_keras.metrics.confusion import class_scores
from cen_keras.metrics.segmentation import SegmentationScores
from cen_keras.models import Segmenter

CLASSES = 5


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x = {
        "rgb": rng.normal(size=(2, 32, 32, 3)).astype("float32"),
        "depth": rng.normal(size=(2, 32, 32, 1)).astype("float32"),
    }
    labels = rng.integers(0, CLASSES, (2, 32, 32)).astype("int32")
    labels[0, :4] = 255
    return x, labels


def backbone():
    """Eight convolutions, which TensorFlow traces in a moment."""
    image = x = keras.Input((None, None, 3))
    for level, strides in enumerate((4, 2, 2, 2), 2):
        name = "stem_conv" if level == 2 else f"conv{level}"
        x = keras.layers.Conv2D(8, 3, strides, "same", use_bias=False, name=name)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
        x = keras.layers.Conv2D(8, 1, activation="relu", name=f"P{level}")(x)
    return keras.Model(image, x)


def model(**options):
    keras.utils.set_random_seed(0)
    made = Segmenter(
        num_classes=CLASSES,
        backbone=backbone(),
        features={level: level for level in ("P2", "P3", "P4", "P5")},
        decoder_options={"filters": 8, "pooling_stages": 1},
    )
    made.compile(keras.optimizers.Adam(1e-3), loss=SegmentationLoss(), **options)
    make_variables(made)
    return made


def test_scores_of_every_output_are_logged_by_its_name(data):
    x, labels = data
    made = model(metrics=[SegmentationScores(CLASSES)])
    logged = made.evaluate(x, labels, batch_size=2, return_dict=True, verbose=0)
    outputs = made.predict(x, verbose=0)
    for name, logits in outputs.items():
        scores = SegmentationScores(CLASSES)
        scores.update_state(labels, logits)
        expected = class_scores(np.asarray(scores.matrix))["iou"]
        # The same counts; a mean of five float32 numbers.
        assert logged[f"{name}_miou"] == pytest.approx(np.nanmean(expected), rel=1e-6)


def test_metrics_may_be_of_one_output(data):
    made = model(metrics={"ensemble": [SegmentationScores(CLASSES)]})
    logged = made.evaluate(*data, batch_size=2, return_dict=True, verbose=0)
    assert "ensemble_miou" in logged and "rgb_miou" not in logged
    with pytest.raises(InputError, match="'nothing'"):
        model(metrics={"nothing": [SegmentationScores(CLASSES)]})


@pytest.mark.parametrize("images", [1, 2])
def test_weights_of_pixels_multiply_each_pixels_share(data, images):
    x = {name: image[:images] for name, image in data[0].items()}
    labels = data[1][:images]
    made = model()
    weights = np.zeros(labels.shape, "float32")
    weights[:, :, :16] = 2.0
    left = np.where(weights > 0, labels, 255)
    outputs = made.predict(x, verbose=0)
    count = (labels != 255).sum()
    expected = 0.0
    for logits in outputs.values():
        # Twice the left half's sum, over all valid pixels.
        half = float(SegmentationLoss()(left, logits)) * (left != 255).sum()
        expected += 2 * half / count
    found = made.evaluate(x, labels, sample_weight=weights, batch_size=images, verbose=0)
    total = found[0] if isinstance(found, list) else found
    assert total - penalty(made) == pytest.approx(expected, rel=1e-5)  # float32 sums of 1e3 terms


def penalty(made):
    return float(sum(made.losses)) if made.losses else 0.0


def test_weights_of_classes_are_weights_of_their_pixels(data):
    x, labels = data
    weight = {1: 3.0, 4: 0.0}
    table = np.array([1, 3, 1, 1, 0], "float32")
    by_class, by_pixel = model(), model()
    pixels = np.where(labels == 255, 0, table[np.where(labels == 255, 0, labels)])
    first = by_class.fit(x, labels, batch_size=2, class_weight=weight, shuffle=False, verbose=0)
    second = by_pixel.fit(x, labels, batch_size=2, sample_weight=pixels, shuffle=False, verbose=0)
    # The same numbers in the same order but for the lookup.
    assert first.history["loss"] == pytest.approx(second.history["loss"], rel=1e-6)
    # Without weights the loss is another one: a class weight does not outlive its fit.
    third = model().fit(x, labels, batch_size=2, shuffle=False, verbose=0)
    assert third.history["loss"] != pytest.approx(first.history["loss"], rel=1e-3)
    with pytest.raises(InputError, match="no class"):
        by_class.fit(x, labels, class_weight={CLASSES: 1.0})
    of_each = dict.fromkeys(by_class.output, labels)
    with pytest.raises(InputError, match="class_weight is of one label for all outputs"):
        by_class.fit(x, of_each, class_weight=weight, verbose=0)


def test_weights_of_images_multiply_those_of_classes_whatever_their_shape(data):
    labels, made = data[1], model()
    made._class_weight = made._weights_of_classes({1: 3.0, 4: 0.0})
    by_class = np.array([1, 3, 1, 1, 0], "float32")[np.where(labels == 255, 0, labels)]
    images = np.array([2.0, 0.5], "float32")
    wanted = by_class * images[:, None, None]
    for weights in (images, images[:, None], np.ones((2, 32, 32, 1)) * images[:, None, None, None]):
        np.testing.assert_array_equal(made._pixel_weights(labels, weights), wanted)
    with pytest.raises(InputError, match=r"sample_weight has the shape \(2, 32\)"):
        made._pixel_weights(labels, np.ones((2, 32), "float32"))


def test_a_loaded_model_goes_on_training_where_it_was(data, tmp_path):
    x, labels = data
    made = model(metrics=[SegmentationScores(CLASSES)])
    made.get_layer("stem_conv").trainable = False
    made.compile(keras.optimizers.Adam(1e-3), loss=SegmentationLoss(ignore=255))
    made.fit(x, labels, batch_size=2, epochs=2, shuffle=False, verbose=0)
    made.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert int(again.optimizer.iterations) == 2
    assert again.optimizer.learning_rate == made.optimizer.learning_rate
    assert not again.get_layer("stem_conv").trainable
    for one, other in zip(made.optimizer.variables, again.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.array(one), np.array(other))
    first = made.fit(x, labels, batch_size=2, shuffle=False, verbose=0).history["loss"]
    second = again.fit(x, labels, batch_size=2, shuffle=False, verbose=0).history["loss"]
    assert first == second  # the same step on the same numbers


def test_the_network_that_was_given_is_no_part_of_the_model(data):
    network = backbone()
    before = network.get_weights()
    made = Segmenter(
        num_classes=CLASSES,
        backbone=network,
        features={level: level for level in ("P2", "P3", "P4", "P5")},
        decoder_options={"filters": 8, "pooling_stages": 1},
    )
    assert made.backbone is network
    assert not {id(w) for w in network.weights} & {id(w) for w in made.weights}
    assert made.count_params() == sum(
        w.numpy().size for w in {id(w): w for w in made.weights}.values()
    )
    # The weight decay too stays away from it.
    made.compile(keras.optimizers.AdamW(0.1), loss=SegmentationLoss())
    made.train_on_batch(*data)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_clone_computes_the_same_and_trains(data):
    x, labels = data
    made = model()
    clone = keras.models.clone_model(made)
    clone.set_weights(made.get_weights())
    for name, logits in clone.predict(x, verbose=0).items():
        np.testing.assert_array_equal(logits, made.predict(x, verbose=0)[name])
    # Keras clones a functional model as a plain one, which wants a label for each output.
    first = clone.fit(x, dict.fromkeys(made.output, labels), batch_size=2, verbose=0)
    second = made.fit(x, labels, batch_size=2, verbose=0)
    assert first.history["loss"] == pytest.approx(second.history["loss"], rel=1e-6)  # same sums


@pytest.mark.parametrize("loads", [False, True])
def test_keras_own_losses_and_metrics_compare_at_the_labels_size(data, loads, tmp_path):
    import cv2

    x, labels = data
    made = Segmenter(
        num_classes=CLASSES, backbone="narrow", decoder_options={"filters": 8, "pooling_stages": 1}
    )
    made.compile(
        "sgd",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255),
        metrics=[
            keras.metrics.MeanIoU(CLASSES, sparse_y_pred=False, ignore_class=255, name="mean_iou")
        ],
        output_size="label",
    )
    if loads:
        made.save(tmp_path / "m.keras")
        made = keras.models.load_model(tmp_path / "m.keras")
    logged = made.evaluate(x, labels, batch_size=2, return_dict=True, verbose=0)
    total = 0
    for name, logits in made.predict(x, verbose=0).items():
        large = np.stack([cv2.resize(image, (32, 32)) for image in logits])
        exponent = np.exp(large - large.max(-1, keepdims=True))
        share = exponent / exponent.sum(-1, keepdims=True)
        valid = labels != 255
        total -= np.log(share[valid, labels[valid]]).mean()
        seen, wanted = large.argmax(-1)[valid], labels[valid]
        iou = [
            ((seen == c) & (wanted == c)).sum() / max(1, ((seen == c) | (wanted == c)).sum())
            for c in range(CLASSES)
        ]
        # Counts; a pixel whose two largest logits agree to a float32 step may fall to either side.
        assert logged[f"{name}_mean_iou"] == pytest.approx(np.mean(iou), abs=2e-3)
    # Means of 2,000 float32 numbers, three of them.
    assert logged["loss"] == pytest.approx(total + sum(made.losses), rel=1e-5)
    made.fit(x, labels, batch_size=2, verbose=0)


def test_another_size_of_outputs_is_refused():
    with pytest.raises(InputError, match="output_size is 'image'; give 'label'"):
        model(output_size="image")
