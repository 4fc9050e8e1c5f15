"""CEN for boards on real rooms, from a net that has seen 3072 generated ones; the preset cen_lite0_nyudv2.

    python -m recipes.train rooms_lite0
    python -m recipes.train nyudv2_lite0_from_rooms --set data.root=FOLDER
    python -m recipes.evaluate runs/nyudv2_lite0_from_rooms --split test --set data.root=FOLDER

FOLDER is nyudv2_lite0's. The first line takes half an hour of two cores without a GPU, the second an hour. The packed
weights are this recipe's: on 436 of the 654 test pictures, mIoU of 40 classes in %, beside nyudv2_lite0's, from
ImageNet alone in 6400 steps:

                     from rooms                  nyudv2_lite0
                     rgb   depth  ensemble       rgb   depth  ensemble
    both             32.1  30.9   32.7           31.4  30.7   32.6
    without depth    24.5  17.5   22.5           16.7   3.6    9.2
    without rgb      14.3  20.9   19.8            4.6  15.5    9.6

The large lead that rooms give after 400 steps (`rooms_lite0`) is gone after thousands; with a camera gone the ensemble
keeps twice as much. One seed, and the start and the dropped modalities were not told apart: a gain of one may hide a
cost of the other. 30.6 % of the penalised channels are exchanged.
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
