"""Plots: drawn from made-up tables, small, the same twice, and their labels apart."""

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_evidence import BASELINES, translations, write_swept, write_table

from recipes.evidence.experiments.studies import NYUDV2
from recipes.evidence.report.plots import (
    against_cost,
    against_share,
    side_by_side,
    spread_apart,
    sweep,
    swept_value,
    write_plots,
)
from recipes.evidence.statistics.scores import Scores, read_lines

THETAS = {"none": "null", "0.005": "0.005", "cen": None, "0.05": "0.05"}


@pytest.fixture
def scores(tmp_path):
    write_table(tmp_path, "baselines", BASELINES)
    write_table(tmp_path, "translation", translations())
    write_swept(tmp_path, "threshold", "threshold", THETAS)
    return Scores(r for p in sorted(tmp_path.glob("*.csv")) for r in read_lines(p))


def test_pngs_are_small_and_the_same_twice(scores, tmp_path):
    names = write_plots(scores, tmp_path)
    assert names == ["baselines.png", "threshold.png", "translation.png"]
    first = {name: (tmp_path / name).read_bytes() for name in names}
    for name, data in first.items():
        assert len(data) < 100_000
        picture = matplotlib.image.imread(tmp_path / name)
        assert np.ptp(picture) > 0.5 and picture.shape[1] > 800
    write_plots(scores, tmp_path)
    assert first == {name: (tmp_path / name).read_bytes() for name in names}


def test_every_row_is_a_point_with_its_name(scores):
    for axes, column in zip(
        against_cost(scores, "baselines").axes, ("parameters", "macs"), strict=True
    ):
        assert {text.get_text() for text in axes.texts} == set(BASELINES)
        for text in axes.texts:
            size = scores.whole("baselines", text.get_text(), column)
            values = scores.by_seed("baselines", text.get_text(), "ensemble", "miou").values()
            assert text.xy[1] == pytest.approx(np.mean(list(values)))
            # The outer of up to five side by side is moved by 4 % of the range, which is 0.2 M.
            assert text.xy[0] == pytest.approx(size / 1e6, abs=0.01)


def test_a_sweep_stands_at_its_numbers(scores):
    shares, mious = sweep(scores, "threshold").axes
    assert [label.get_text() for label in shares.get_xticklabels()] == [
        "none", "0.005", "0.02", "0.05",
    ]  # fmt: skip
    # 0.02 is the recipe's own; "none" stands left of all.
    places = shares.get_xticks()
    assert places[1:] == pytest.approx(np.log10([0.005, 0.02, 0.05])) and places[0] < places[1]
    line = shares.lines[0].get_ydata()
    assert line == pytest.approx([0, 20, 40, 60])
    assert len(mious.collections[0].get_offsets()) == 3  # seeds


def test_points_stand_at_their_share(tmp_path):
    def row(*mious):
        names = ("rgb", "depth", "ensemble")
        return {name: {"miou": pair} for name, pair in zip(names, mious, strict=True)}

    rows = {
        "0": row([0.3, 0.2], [0.1, 0.2], [0.4, 0.5]),
        "cen": row([0.6, 0.7], [0.5, 0.3], [0.8, 0.9]),
    }
    write_table(tmp_path, "share", rows, seeds=(1, 2), data="0123456789ab")
    (axes,) = against_share(Scores(read_lines(tmp_path / "share.csv", NYUDV2)), "share").axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    found = {
        name: sorted(map(tuple, points.get_offsets().round(6)))
        for name, points in zip(names, axes.collections, strict=True)
    }
    # Of the made-up tables CEN exchanges 43 %, any other row nothing.
    assert found == {
        "rgb": [(0, 20), (0, 30), (43, 60), (43, 70)],
        "depth": [(0, 10), (0, 20), (43, 30), (43, 50)],
        "ensemble": [(0, 40), (0, 50), (43, 80), (43, 90)],
    }


def test_nothing_is_drawn_of_nothing(tmp_path):
    write_table(tmp_path, "baselines", {"cen": 0.5}, parameters="", macs="")
    write_table(tmp_path, "sparsity", {"cen": 0.5})
    scores = Scores(r for p in sorted(tmp_path.glob("*.csv")) for r in read_lines(p))
    assert write_plots(scores, tmp_path) == [] and not list(tmp_path.glob("*.png"))


def test_a_setting_is_read_from_the_command(scores):
    found = [swept_value(scores.lines("threshold", row)[0], "threshold") for row in THETAS]
    assert found == [0, 0.005, 0.02, 0.05]


def test_points_of_one_cost_stand_side_by_side():
    # Range 10: those within 0.15 are moved 0.2 apart around their mean, the others stay.
    moved = side_by_side([1.0, 10.9, 1.1, 5.0, 0.9])
    assert moved == pytest.approx([1.0, 10.9, 1.2, 5.0, 0.8])
    assert side_by_side([3.0]) == [3.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).map(sorted))
def test_labels_stand_apart_and_in_order(wanted):
    gap = 0.07
    places = spread_apart(wanted, gap)
    assert len(places) == len(wanted)
    # Sums of a dozen numbers up to 12 round by less than 1e-13.
    assert all(b - a >= gap - 1e-12 for a, b in zip(places, places[1:], strict=False))
    # Moving all together would not bring them nearer: their mean is where they want to be.
    assert np.mean(places) == pytest.approx(np.mean(wanted), abs=1e-12)
    assert spread_apart(places, gap * 0.999) == pytest.approx(places, abs=1e-12)
