"""CEN for boards on real rooms, from a net that has seen 3072 generated ones; the preset cen_lite0_nyudv2.

python -m recipes.train rooms_lite0
python -m recipes.train nyudv2_lite0_from_rooms --set data.root=FOLDER
"""

from recipes.segmentation.nyudv2_lite0 import RECIPE as LITE0

RECIPE = LITE0.derive(
    "nyudv2_lite0_from_rooms",
    pretrained="run:runs/rooms_lite0",
    # The net that it starts from has its scales where its own training left them.
    small_scales=None,
    model={"fusion": {"sparsity": 4e-4}},
    epochs=28,
    # A board's camera fails at times; without this one that is left segments almost nothing.
    augmentation={"modality_dropout": 0.1},
)
