"""A finished run of the smallest net, which exchanges after a few steps."""

import functools

import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.backbones.resnet import basic_block, resnet
from recipes import train

SETTINGS = {
    "data.size": "32,48",
    "data.train": 8,
    "data.val": 4,
    "data.cache": "null",
    "model.backbone": "least_that_exchanges",
    "model.decoder_options.filters": 4,
    "model.decoder_options.pooling_stages": 1,
    # Adam moves a scale by its rate each step: 0.3 falls below this in three.
    "model.fusion.threshold": 0.294,
    "model.fusion.sparsity": 0.05,
    "augmentation.size": "32,32",
    "epochs": 2,
    "epoch_steps": 4,
    "batch": 4,
    "evaluation.batch": 3,
}


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """The run folder."""
    patch = pytest.MonkeyPatch()
    net = functools.partial(
        resnet, block=basic_block, blocks=(1, 1, 1, 1), widths=(6, 6, 6, 6), stem_size=3
    )
    patch.setitem(BACKBONES, "least_that_exchanges", net)
    folder = tmp_path_factory.mktemp("tiny") / "run"
    settings = [text for key, value in SETTINGS.items() for text in ("--set", f"{key}={value}")]
    assert train.main(["rooms_tiny", "--run", str(folder), *settings]) == 0
    yield folder
    patch.undo()
