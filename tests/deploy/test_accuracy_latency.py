"""A table of scores becomes points of accuracy and latency."""

import csv

import pytest
from PIL import Image

from deploy.benchmarks import accuracy_latency
from deploy.runtime.errors import InputError

SCORES = """network,modalities,image,miou,source
cen_lite0_nyudv2,rgb+depth,64x96,0.32,a command
cen_lite0_nyudv2,rgb,64x96,0.25,a command
esanet_r34_nbt1d,rgb+depth,160x160,0.503,a paper
"""


@pytest.mark.slow
def test_each_score_stands_beside_the_time_of_its_network(tmp_path):
    scores = tmp_path / "scores.csv"
    scores.write_text(SCORES)
    accuracy_latency.measure(tmp_path, lambda line: None, 2, 1, scores)
    with open(tmp_path / "accuracy_latency.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    given = list(csv.DictReader(SCORES.splitlines()))
    assert [{key: row[key] for key in given[0]} for row in rows] == given
    two, one, esanet = (float(row["int8_ms"]) for row in rows)
    # ESANet has more than ten times the work of either at these sizes; two modalities have more than one.
    assert 0 < one < two < esanet
    assert Image.open(tmp_path / "accuracy_latency.png").size[0] > 500


def test_what_it_refuses(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        accuracy_latency.measure(tmp_path, print, scores=tmp_path / "none.csv")
    scores = tmp_path / "scores.csv"
    scores.write_text("network,modalities,image,miou,source\nunet,rgb,64x96,0.1,a paper\n")
    with pytest.raises(InputError, match="network 'unet' is unknown"):
        accuracy_latency.measure(tmp_path, lambda line: None, scores=scores)
