"""What a fusion refuses: numbers that are none, as `--set model.fusion.threshold=low` gives them."""

import numpy as np
import pytest

from cen_keras.baselines import fusion_of
from cen_keras.errors import InputError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": "low"}, "threshold is 'low'; wanted a number or null"),
        ({"threshold": True}, "threshold is True; wanted a number or null"),
        ({"threshold": float("nan")}, "threshold is nan; wanted a number"),
        ({"threshold": -0.1}, "threshold is at least 0"),
        ({"sparsity": "low"}, "sparsity is 'low'; wanted a number"),
        ({"sparsity": None}, "sparsity is None; wanted a number"),
        ({"sparsity": -1}, "sparsity is the strength of a penalty, at least 0"),
        ({"freeze_statistics": "no"}, "freeze_statistics is 'no'; wanted true or false"),
        ({"name": "align", "weight": "low"}, "weight is 'low'; wanted a number"),
        ({"name": "align", "weight": float("inf")}, "weight is inf; wanted a number"),
        ({"name": "align", "weight": -1}, "weight is at least 0"),
    ],
)
def test_numbers_that_are_none_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        fusion_of({"name": "exchange", **change})


def test_numbers_of_every_kind_are_taken():
    for value in (0, 0.25, np.float32(0.25)):
        fusion = fusion_of({"name": "exchange", "threshold": value, "sparsity": value})
        assert fusion.threshold == fusion.sparsity == float(value)
    assert fusion_of({"name": "exchange", "threshold": None}).threshold is None
