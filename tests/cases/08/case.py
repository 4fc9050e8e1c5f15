"""A folder of one's own with the shipped recipes: other data by --set, and by derive()."""

import os
from pathlib import Path

import common

from cen_keras.data.datasets import open_dataset
from recipes import rooms_tiny, train

W = Path(os.environ["W"])
common.frames(W / "d/train", 16, 0)
common.frames(W / "d/val", 4, 1)
ROOT = str(W / "d/{split}")
(W / "own.py").write_text(
    "from recipes import rooms_tiny\nRECIPE = rooms_tiny.RECIPE.derive('own', data={})\n"
)
derived = rooms_tiny.RECIPE.derive(
    "own", data={"name": "frames", "root": ROOT, "classes": ("floor", "ball", "box")}
)
print("rooms_tiny.RECIPE.derive(data=...):", len(open_dataset(derived.data, "train")), "views")
CLASSES = 'data.classes=["floor","ball","box"]'
FRAMES = '{"name":"frames","root":"' + ROOT + '"}'
for number, (recipe, *settings) in enumerate(
    (
        ("rooms_tiny", "data.name=frames", f"data.root={ROOT}", CLASSES),
        ("rooms_tiny", f"data={FRAMES}"),
        ("rooms_tiny", "data.cache=null", "data.name=frames", f"data.root={ROOT}"),
        # Its own rooms, few of them, since nothing but the augmentation is in question.
        ("rooms_tiny", "augmentation=null", "data.train=8", "data.val=2", "data.cache=null"),
        (str(W / "own.py"),),
    )
):
    print("$ python -m recipes.train", recipe, *settings, flush=True)
    arguments = [recipe, "--run", str(W / str(number))]
    for setting in (*settings, "epochs=1", "epoch_steps=1"):
        arguments += ["--set", setting]
    print("exit code", train.main(arguments), flush=True)
