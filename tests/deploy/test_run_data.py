"""A run folder whose data.json was edited, or is of another program."""

import copy
import json

import pytest

from cen_keras.modalities import modality_of
from deploy.run_folder import open_run
from deploy.runtime.console import is_input_error

DATA = {
    "task": "segmentation",
    "dataset": {"name": "rooms"},
    "modalities": ["rgb", "depth"],
    "classes": ["a", "b"],
    "palette": [[1, 2, 3], [4, 5, 6]],
    "normalization": {},
    "descriptions": {name: modality_of(name).to_config() for name in ("rgb", "depth")},
    "image_shape": [16, 24],
    "ignore": 255,
}
ODD = (True, -1, 2.5, "x", [], [1], [[1]], {"a": 1}, [16, 0], [[1, 2, 300], [4, 5, 6]])


def opened(tmp_path, data):
    (tmp_path / "data.json").write_text(json.dumps(data), encoding="utf-8")
    return open_run(tmp_path)


def test_what_is_whole_opens(tmp_path):
    run = opened(tmp_path, DATA)
    assert run.image_shape == (16, 24) and list(run.descriptions) == ["rgb", "depth"]


@pytest.mark.parametrize("key", DATA)
def test_every_entry_of_another_type_is_one_line(tmp_path, key):
    for value in ODD:
        data = {**copy.deepcopy(DATA), key: value}
        try:
            run = opened(tmp_path, data)
            assert run.image_shape and run.modalities and isinstance(run.ignore, int)
            assert len(run.descriptions) <= 2
        except ValueError as error:
            assert is_input_error(error) and "\n" not in str(error)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"palette": [[1, 2, 3]]}, "palette has the shape"),
        ({"image_shape": 96}, "image_shape is 96, wanted"),
        ({"modalities": "rgb"}, "modalities is 'rgb', wanted a list"),
        ({"descriptions": {"rgb": DATA["descriptions"]["depth"]}}, "of 'rgb' is of another"),
    ],
)
def test_what_is_wanted_is_said(tmp_path, change, message):
    with pytest.raises(ValueError, match=f"data.json: .*{message}"):
        opened(tmp_path, {**DATA, **change})
