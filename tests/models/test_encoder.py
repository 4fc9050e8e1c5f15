"""The encoder: what it takes of a network, and whose normalisation counts."""

import keras
import pytest

from cen_keras.backbones import BACKBONES
from cen_keras.errors import InputError
from cen_keras.modalities import READY
from cen_keras.models import Segmenter
from cen_keras.models.encoder import Encoder


def test_a_networks_own_normalisation_is_for_an_image_given_by_its_name():
    """A `Modality` says how its image is normalised; a loader gives the network such images."""
    image = keras.Input((None, None, 3))
    levels = BACKBONES["narrow"](keras.layers.Rescaling(1 / 127.5, -1.0)(image))
    encoder = Encoder(keras.Model(image, levels[max(levels)]))
    named = encoder.described("rgb")
    # (image * scale - mean) / std = image / 127.5 - 1
    assert named.scale / named.std[0] == pytest.approx(1 / 127.5)
    assert named.mean[0] / named.std[0] == pytest.approx(1.0)
    assert encoder.described(READY["rgb"]) == READY["rgb"]


def test_a_named_backbone_has_features_of_its_own():
    with pytest.raises(InputError, match="has its own"):
        Segmenter(backbone="narrow", features={"P2": "nonsense"})
