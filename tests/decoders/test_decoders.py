"""What a decoder's options are."""

from functools import partial

from cen_keras.decoders import DECODERS, options_of


def test_options_are_the_arguments_behind_the_classes():
    assert options_of(DECODERS["light_refinenet"]) == [
        "filters",
        "pooling_stages",
        "dropout",
        "norm",
        "join",
    ]

    def own(features, num_classes, width=3):
        return features

    assert options_of(own) == ["width"]
    assert options_of(partial(own, width=4)) == ["width"]
    assert options_of(lambda features, num_classes: features) == []


def test_a_decoder_may_take_any_option():
    assert options_of(lambda features, num_classes, **options: features) is None
