"""Pixels of classes over a data set, also of one with a picture that cannot be read."""

import numpy as np
import pytest

from cen_keras.data.label_counts import class_pixels
from cen_keras.errors import InputError


class Damaged:
    classes, name = ("a", "b", "c"), "damaged"

    def __len__(self):
        return 3

    def __getitem__(self, index):
        if index == 1:
            raise InputError("1.png: is cut off")
        return {"label": np.array([[0, 2], [2, 255]])}


def test_a_view_that_cannot_be_read_counts_where_it_is_skipped_for_nothing():
    assert class_pixels(Damaged(), 255, skip=True).tolist() == [2, 0, 4]
    with pytest.raises(InputError, match="cut off"):
        class_pixels(Damaged(), 255)
