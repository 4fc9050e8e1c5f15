"""FID and KID against SciPy, a NumPy oracle and torchmetrics; errors by hand; the official
evaluation's quirks.
"""

from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.linalg

from cen_keras.errors import InputError
from cen_keras.metrics.features import (
    FrechetInceptionDistance,
    KernelInceptionDistance,
    frechet_distance,
    inception_extractor,
    kernel_distance,
)
from cen_keras.metrics.translation import ImageErrors, evaluate_translation, stretch
from cen_keras.models import Translator

LIBRARY = Path(__file__).parents[1] / "vectors" / "torchmetrics_distances.npz"


def features(rows, length, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(length, length)) / np.sqrt(length)
    return rng.normal(size=(rows, length)) @ mixing + shift


@pytest.mark.parametrize(("rows", "length"), [(200, 16), (12, 40)])
def test_fid_is_scipy_s(rows, length):
    """More and fewer images than features: in the second case both covariances are singular."""
    real, made = features(rows, length, 0), features(rows + 7, length, 1, shift=0.3)
    first, second = (np.cov(x, rowvar=False) for x in (real, made))
    root = scipy.linalg.sqrtm(first @ second)
    wanted = ((real.mean(0) - made.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root.real)
    # SciPy's root of a singular matrix is good to about the root of float64's 1e-16.
    tolerance = 1e-9 if rows > length else 1e-5
    assert frechet_distance(real, made) == pytest.approx(wanted, rel=tolerance)


def test_fid_of_gaussians_in_one_dimension():
    # Samples of deviation a and b and means apart by m: m^2 + (a - b)^2.
    x = np.array([[-1.0], [1.0]])
    spread = np.std(x, ddof=1)
    assert frechet_distance(x, 3 * x + 5) == pytest.approx(25 + (2 * spread) ** 2, rel=1e-12)
    # A difference of numbers near 20, float64.
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-12)


def oracle_mmd2(x, y):
    """Pair by pair."""

    def k(a, b):
        return (a @ b / len(a) + 1) ** 3

    n, m = len(x), len(y)
    within = [
        sum(k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j)
        / (len(s) * (len(s) - 1))
        for s in (x, y)
    ]
    return sum(within) - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


def test_kid_is_the_sum_over_pairs():
    real, made = features(9, 5, 0), features(9, 5, 1, shift=0.5)
    mean, deviation = kernel_distance(real, made)
    # Sums of 81 float64 numbers.
    assert mean == pytest.approx(oracle_mmd2(real, made), rel=1e-10)
    assert deviation == 0


def test_kid_s_subsets_are_drawn_without_repetition_and_average_to_the_whole():
    real, made = features(30, 4, 0), features(25, 4, 1, shift=1.0)
    mean, deviation = kernel_distance(real, made, subsets=400, subset_size=10)
    assert deviation > 0
    # Unbiased: the mean over subsets estimates the whole; four standard errors.
    assert abs(mean - oracle_mmd2(real, made)) < 4 * deviation / np.sqrt(400)
    again = kernel_distance(real, made, subsets=400, subset_size=10)
    assert again == (mean, deviation) != kernel_distance(real, made, 400, 10, seed=1)


@pytest.mark.parametrize("case", ["more", "fewer", "low_rank", "two"])
def test_fid_and_kid_are_torchmetrics(case):
    """On the same features; torchmetrics 1.9.0 in float64, see tests/vectors/README.md."""
    with np.load(LIBRARY) as vector:
        real, made = vector[f"{case}_real"], vector[f"{case}_made"]
        fid, kid = float(vector[f"{case}_fid"]), float(vector[f"{case}_kid"])
    # It takes the root of each eigenvalue of C1 C2. Those that are 0 in a singular product come out
    # at float64's 1e-16, and their roots at 1e-8 of the largest; there are up to 43 of them.
    tolerance = 1e-9 if case == "more" else 1e-6
    assert frechet_distance(real, made) == pytest.approx(fid, rel=tolerance)
    # Sums of 40,000 float64 numbers.
    assert kernel_distance(real, made)[0] == pytest.approx(kid, rel=1e-10)


def mean_colours(images):
    return np.concatenate([images.mean((1, 2)), images.std((1, 2))], axis=-1)


def test_metrics_collect_batches_of_images():
    rng = np.random.default_rng(0)
    real, made = rng.normal(size=(2, 10, 4, 4, 3)).astype("float32")
    fid, kid = FrechetInceptionDistance(mean_colours), KernelInceptionDistance(mean_colours)
    for metric in (fid, kid):
        metric.update_state(made, real)
        metric.reset_state()
        for part in (slice(0, 4), slice(4, 10)):
            metric.update_state(real[part], keras.ops.convert_to_tensor(made[part]))
    assert fid.result() == pytest.approx(frechet_distance(mean_colours(real), mean_colours(made)))
    assert kid.result() == pytest.approx(kernel_distance(mean_colours(real), mean_colours(made))[0])


def test_bad_features_are_named(tmp_path):
    with pytest.raises(InputError, match=r"\(4, 3\) and \(4, 2\)"):
        frechet_distance(np.zeros((4, 3)), np.zeros((4, 2)))
    with pytest.raises(InputError, match="found 1 and 4"):
        kernel_distance(np.zeros((1, 3)), np.zeros((4, 3)))
    with pytest.raises(InputError, match="no images"):
        FrechetInceptionDistance(mean_colours).result()
    with pytest.raises(InputError, match="notop.h5"):
        inception_extractor(tmp_path / "none.h5")
    (tmp_path / "bad.weights.h5").write_bytes(b"no")
    with pytest.raises(InputError, match="does not fit InceptionV3"):
        inception_extractor(tmp_path / "bad.weights.h5")


def test_errors_by_hand():
    errors = ImageErrors()
    errors.update(np.zeros((1, 1, 2, 1)), np.float32([[[[1], [0]]]]))
    errors.update(np.zeros((1, 1, 2, 1)), np.float32([[[[0.5], [0.5]]]]))
    assert errors.result() == {"mae": 0.5, "rmse": pytest.approx(np.sqrt((0.5 + 0.25) / 2))}
    assert np.isnan(ImageErrors().result()["mae"])


def test_stretching_is_per_image():
    images = np.float32([[[[0.0], [0.5]]], [[[-1.0], [3.0]]]])
    np.testing.assert_array_equal(stretch(images), np.float32([[[[-1], [1]]], [[[-1], [1]]]]))
    assert np.isfinite(stretch(np.zeros((1, 2, 2, 3), np.float32))).all()


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return Translator(("a", "b"), "c", base_filters=2, discriminator_filters=2, depth=6)


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    x = {m: np.tanh(rng.normal(size=(5, 64, 64, 3))).astype("float32") for m in "ab"}
    y = np.tanh(x["a"] - x["b"])
    return [({m: i[part] for m, i in x.items()}, y[part]) for part in (slice(0, 3), slice(3, 5))]


def test_every_output_is_scored_and_an_incomplete_batch_counts_once(model, batches):
    seen = []
    scores = evaluate_translation(
        model, batches, mean_colours, each=lambda *batch: seen.append(len(batch[1]))
    )
    assert seen == [3, 2] and set(scores) == {"a", "b", "ensemble"}
    target = np.concatenate([y for _, y in batches])
    made = np.concatenate([keras.ops.convert_to_numpy(model(x)["ensemble"]) for x, _ in batches])
    # Float32 images, float64 means.
    assert scores["ensemble"]["mae"] == pytest.approx(np.abs(made - target).mean(), rel=1e-5)
    assert scores["ensemble"]["rmse"] == pytest.approx(
        ((made - target) ** 2).mean() ** 0.5, rel=1e-5
    )
    fid = frechet_distance(mean_colours(target), mean_colours(made))
    assert scores["ensemble"]["fid"] == pytest.approx(fid, rel=1e-4)
    assert set(evaluate_translation(model, batches)["a"]) == {"mae", "rmse"}


def test_the_official_protocol_keeps_dropout_and_stretches(model, batches):
    seen = []
    plain = evaluate_translation(model, batches, mean_colours)
    official = evaluate_translation(
        model,
        batches,
        mean_colours,
        official_protocol=True,
        each=lambda inputs, target, made: seen.append((target, made["a"])),
    )
    assert plain == evaluate_translation(model, batches, mean_colours)
    assert official["a"]["mae"] != plain["a"]["mae"]
    target, made = (stretch(np.concatenate(images)) for images in zip(*seen, strict=True))
    wanted = frechet_distance(mean_colours(target), mean_colours(made))
    # The same float32 images, their means taken in other batches.
    assert official["a"]["fid"] == pytest.approx(wanted, rel=1e-4)
