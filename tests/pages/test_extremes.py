"""The worst and best views, against a plain sort of all."""

import numpy as np

from cen_keras.pages.extremes import Extremes


def test_the_worst_and_best_of_all_views_are_kept():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (11, 4, 5))
    labels[3] = 255
    labels[:, 0] = 255
    predicted = rng.integers(0, 3, labels.shape)
    extremes = Extremes(2)
    for part in (slice(0, 4), slice(4, 8), slice(8, 11)):
        extremes(labels[part], {"ensemble": predicted[part], "rgb": labels[part]})
    right = [(labels[i, 1:] == predicted[i, 1:]).mean() for i in range(11)]
    assert np.isnan(extremes.accuracy[3])
    known = [i for i in range(11) if i != 3]
    np.testing.assert_allclose([extremes.accuracy[i] for i in known], [right[i] for i in known])
    ordered = sorted(right[i] for i in known)
    assert [view.accuracy for view in extremes.worst] == ordered[:2]
    assert [view.accuracy for view in extremes.best] == ordered[:-3:-1]
    for view in (*extremes.worst, *extremes.best):
        np.testing.assert_array_equal(view.classes, predicted[view.index])


def test_of_few_views_none_is_both():
    extremes = Extremes(2)
    labels = np.zeros((3, 1, 2), int)
    extremes(labels, {"ensemble": np.array([[[0, 0]], [[0, 1]], [[1, 1]]])})
    assert [view.index for view in extremes.worst] == [2, 1]
    assert [view.index for view in extremes.best] == [0]
    assert Extremes().worst == Extremes().best == []
