"""Presets score what their cards say, by the command that anybody would give."""

import json
from pathlib import Path

import pytest

from cen_keras.models.presets import presets
from recipes import evaluate

NYUDV2 = Path(__file__).parents[3] / "shared/real/nyuv2/frames"


@pytest.mark.slow
@pytest.mark.parametrize("name", [p.name for p in presets().values() if p.card])
def test_a_preset_scores_its_card(name, tmp_path):
    out, card = tmp_path / "scores.json", presets()[name].card
    command = [f"preset:{name}", "--json", str(out)]
    if card["data"]["dataset"]["name"] == "nyudv2":
        if not NYUDV2.is_dir():
            pytest.skip("real frames of NYUDv2 are not there")
        command += ["--set", f"data.root={NYUDV2}"]
    assert evaluate.main(command) == 0
    found = json.loads(out.read_text())
    assert (found["split"], found["images"]) == (card["scores"]["split"], card["scores"]["images"])
    for stream, miou in card["scores"]["miou"]["all"].items():
        # The card is rounded to 5e-5; on another processor a pixel in ten thousand falls to another class, which
        # moves the mean over 13 or 40 classes by less than 5e-4.
        assert found["streams"][stream]["miou"] == pytest.approx(miou, abs=6e-4)
    assert found["exchange"]["share_of_penalised"] == pytest.approx(card["exchange"])
