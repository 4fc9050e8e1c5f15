"""The channels' later life on five channels whose story is written down."""

import numpy as np

from recipes.evidence.theorem.histories import by_epoch, ever, history, quantiles

EPOCHS = np.array([0, 1, 2, 3])
STORIES = {
    "never": [0.5, 0.4, 0.3, 0.2],
    "stays": [0.5, -0.01, 0.01, 0.0],
    "comes back": [0.5, 0.01, 0.3, 0.4],
    "visits": [0.5, 0.01, -0.3, 0.01],
    "last": [0.5, 0.4, 0.02, 0.019],
}
HISTORIES = {name: history(EPOCHS, np.array(gammas), 0.02) for name, gammas in STORIES.items()}


def test_one_history():
    found = {name: (one.first, one.returned) for name, one in HISTORIES.items()}
    assert found == {
        "never": (None, None),
        "stays": (1, None),
        "comes back": (1, 2),
        "visits": (1, 2),
        "last": (3, None),  # theta itself is not below
    }
    assert HISTORIES["comes back"].largest_since == 0.4 and HISTORIES["stays"].largest_since == 0.01
    assert np.isnan(HISTORIES["never"].largest_since)


def test_epochs_are_those_of_the_rows():
    one = history(np.array([3, 5, 9]), np.array([0.1, 0.001, 0.1]), 0.02)
    assert (one.first, one.returned) == (5, 9)


def test_every_epochs_shares():
    found = {(s.case, s.x): (s.hits, s.count) for s in by_epoch(list(HISTORIES.values()))}
    assert found == {
        ("below theta", 0.0): (0, 5),
        ("below theta", 1.0): (3, 5),
        ("below theta", 2.0): (1, 5),
        ("below theta", 3.0): (3, 5),
        ("came below", 1.0): (3, 5),
        ("came below", 2.0): (0, 2),
        ("came back", 2.0): (2, 3),
        ("came below", 3.0): (2, 4),
        ("came back", 3.0): (0, 1),
    }


def test_all_in_all():
    assert [(s.case, s.hits, s.count) for s in ever(list(HISTORIES.values()))] == [
        ("ever below", 4, 5),
        ("ever came back", 2, 4),
        ("is back at the end", 1, 4),
    ]
    assert [s.case for s in ever([HISTORIES["never"]])] == ["ever below"]
    assert by_epoch([]) == [] and ever([]) == []


def test_quantiles():
    assert quantiles([3, 1, 2]) == (1, 2.0, 3) and quantiles([]) is None
