"""Figures are whole SVG, in the page's ink, with ids of their own; what is missing has none."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from cen_keras.pages import figures

LOG = [
    {"epoch": "0", "loss": "2", "rgb_miou": "0.1", "ensemble_miou": "0.2"},
    {"epoch": "1", "loss": "1", "rgb_miou": "", "ensemble_miou": ""},
]
RATES = [
    {"epoch": "0", "layer": "norm", "modality": "rgb", "share": "0.5"},
    {"epoch": "0", "layer": "norm", "modality": "depth", "share": "0.2"},
]
IOU = {"rgb": {"wall": 0.5, "sofa": None}, "ensemble": {"wall": 0.75, "sofa": None}}


def drawn():
    return {
        "curves": figures.training_curves(LOG, ["rgb", "ensemble"]),
        "errors": figures.training_curves(
            [{"epoch": "0", "loss": "1", "val_rgb_mae": "0.1"}], ["rgb"]
        ),
        "exchange": figures.exchange_rates(RATES),
        "classes": figures.class_bars(IOU),
        "confusion": figures.confusion([[3, 1], [0, 0]], ["wall", "sofa"]),
    }


@pytest.fixture(scope="module")
def all_figures():
    return drawn()


def test_they_are_svg_in_the_ink_of_the_page(all_figures):
    for name, text in all_figures.items():
        root = ElementTree.fromstring(text)
        assert root.tag.endswith("svg") and root.get("aria-label"), name
        assert "currentColor" in text and figures.INK not in text
        # White would be a bright plate on a dark page.
        assert "#ffffff" not in text


def test_ids_of_one_page_do_not_meet(all_figures):
    ids = [
        found
        for name, text in all_figures.items()
        if name != "errors"
        for found in re.findall(r'\bid="([^"]+)"', text)
    ]
    assert len(ids) == len(set(ids))
    for text in all_figures.values():
        used = set(re.findall(r'(?:xlink:href="|url\()#([^")]+)', text))
        assert used <= set(re.findall(r'\bid="([^"]+)"', text))


def test_the_same_numbers_give_the_same_figure(all_figures):
    assert drawn() == all_figures


def test_nothing_is_drawn_of_nothing():
    assert figures.training_curves([], ["rgb"]) is None
    assert figures.exchange_rates([]) is None
    assert figures.class_bars({}) is None
    assert figures.confusion(np.zeros((2, 2)), ["a", "b"]) is None
