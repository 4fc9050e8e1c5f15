"""Classes: names, colours, and what is refused."""

import pytest

from cen_keras.classes import Classes, classes_of
from cen_keras.errors import InputError


def test_classes_come_as_a_number_names_a_config_or_themselves():
    named = Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)))
    assert classes_of(named) is named
    assert classes_of(named.to_config()) == named
    assert classes_of(["a", "b"]).names == ("a", "b")
    assert len(classes_of(3)) == 3
    # Distinct colours where none are given.
    assert len(set(classes_of(40).colours)) == 40


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Classes(()), "at least one"),
        (lambda: Classes(("a", "a")), "distinct"),
        (lambda: Classes(("a", "b"), ((0, 0, 0),)), "1 colours"),
        (lambda: Classes(("a",), ((0, 0, 300),)), "300"),
        (lambda: classes_of(0), "at least 1"),
        (lambda: Classes(tuple(map(str, range(256))), ((1, 2, 3),) * 256), "256 .* at most 255"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
