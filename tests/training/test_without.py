"""A camera that is gone gives what its kind of picture holds where there is none."""

import numpy as np

from cen_keras.modalities import Modality, modality_of
from cen_keras.training.evaluation import Without


def test_what_is_blank_is_the_modalitys_own():
    known = {"depth": Modality("depth"), "heat": Modality("heat", channels=1, missing=-40.0)}
    view = {name: np.full((2, 3), 7, np.float32) for name in ("depth", "heat", "label")}
    gone = Without(("depth", "heat"), known)(view, None)
    assert (gone["depth"] == 0).all() and (gone["heat"] == -40).all()
    assert gone["label"] is view["label"] and gone["heat"].dtype == np.float32


def test_vectors_in_counts_are_blank_at_the_middle():
    """A count of 0 would be the vector (-1, -1, -1); 128 is within half a step of none."""
    known = {"normal": modality_of("normal")}
    view = {"normal": np.zeros((2, 3, 3), np.uint8)}
    assert (Without(("normal",), known)(view, None)["normal"] == 128).all()
