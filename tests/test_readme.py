"""What the README shows in Python runs as it stands there, in small; what it counts is so."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SMALL = {
    "count=800": "count=8",
    "epochs=50": "epochs=1",
    "(96, 128)": "(64, 64)",
    '"runs/cache"': "None",
}


@pytest.mark.gate
def test_the_example_in_python_trains():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for whole, small in SMALL.items():
        assert whole in code
        code = code.replace(whole, small)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    model = names["model"]
    assert int(model.optimizer.iterations) == 1
    images, labels = names["loader"][0]
    logits = model(images, training=False)
    assert list(logits) == ["rgb", "depth", "ensemble"]
    assert labels.shape == (8, 64, 64)
    for values in logits.values():
        # At a quarter of the image's size, as the decoder leaves them.
        assert values.shape == (8, 16, 16, 13)
        assert np.isfinite(np.asarray(values)).all()
    assert names["classes"].shape == (64, 64)


def test_the_claims_are_counted_as_the_verdicts_are():
    verdicts = json.loads((ROOT / "recipes/results/verdicts.json").read_text())
    found = Counter(entry["verdict"] for entry in verdicts.values())
    numbers = re.search(r"of (\d+): (\d+) hold, (\d+) fail, (\d+) undecided", README).groups()
    wanted = (len(verdicts), found["holds"], found["fails"], found["undecided"])
    assert tuple(map(int, numbers)) == wanted
