"""A label among the classes may be the one that does not count, from the files through training to the scores."""

import json

import numpy as np
import pytest
from own_folders import CLASSES, write_views
from PIL import Image

from recipes import train

TINY = (
    *("model.backbone=narrow", "model.decoder_options.filters=4", "batch=2", "epochs=1"),
    *("epoch_steps=2", "evaluation.batch=2"),
    # A picture of half its size in a window of its own: most of it is padding.
    *("augmentation.size=[64, 96]", "augmentation.scale=[0.5, 0.5]"),
)


def test_a_label_that_only_the_data_leave_out_is_refused(tmp_path, capsys):
    write_views(tmp_path / "train", 2, "train")
    settings = ["data.name=frames", f"data.root={tmp_path}/{{split}}", "data.ignore=0"]
    settings.append(f"data.classes={json.dumps(list(CLASSES))}")
    command = ["rooms_tiny", "--run", str(tmp_path / "run")]
    command += [part for setting in settings for part in ("--set", setting)]
    assert train.main(command) == 2
    assert "data.ignore is 0, while loss and scores leave out ignore=255" in capsys.readouterr().err


@pytest.mark.slow
def test_from_files_to_scores(tmp_path):
    written = {}
    for split, count in (("train", 3), ("val", 2)):
        written[split] = write_views(tmp_path / split, count, split)
        for number, view in enumerate(written[split]):
            # The classes are 1 to 5, 0 does not count, and 255 stands nowhere.
            view["label"] = np.where(view["label"] == 255, 0, view["label"] + 1)
            view["label"][:16] = 0
            path = tmp_path / split / "label" / f"{number:03d}.png"
            Image.fromarray(view["label"].astype(np.uint8)).save(path)
    names = ["void", *CLASSES]
    settings = [
        *("data.name=frames", f"data.root={tmp_path}/{{split}}", "ignore=0", *TINY),
        f"data.classes={json.dumps(names)}",
    ]
    command = ["rooms_tiny", "--run", str(tmp_path / "run")]
    command += [part for setting in settings for part in ("--set", setting)]
    assert train.main([*command, "--json", str(tmp_path / "scores.json")]) == 0
    loss = (tmp_path / "run/log.csv").read_text().splitlines()[1].split(",")[1]
    assert np.isfinite(float(loss)) and float(loss) > 0
    scores = json.loads((tmp_path / "scores.json").read_text())["streams"]["ensemble"]["per_class"]
    labels = np.concatenate([view["label"].ravel() for view in written["val"]])
    counted = {name: int((labels == number).sum()) for number, name in enumerate(names)}
    assert {name: entry["pixels"] for name, entry in scores.items()} == counted | {"void": 0}
