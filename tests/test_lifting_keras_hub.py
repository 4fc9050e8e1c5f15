"""A network of keras-hub, lifted. Wants the extra `hub`, which `.ci/run` installs."""

import pytest
from plain_networks import norm_parameters, perturbed, pictures, relative, three

import cen_keras
from cen_keras.graph import Graph
from cen_keras.placement import exchanging_norms

keras_hub = pytest.importorskip(
    "keras_hub", reason="keras-hub is not installed: pip install 'cen-keras[hub]'"
)


def test_a_backbone_of_keras_hub_is_lifted():
    network = perturbed(
        keras_hub.models.ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 64],
            stackwise_num_blocks=[2, 2],
            stackwise_num_strides=[1, 2],
            block_type="bottleneck_block",
            image_shape=(64, 64, 3),
        )
    )
    lifted = cen_keras.lift(network, ("rgb", "depth"))
    assert lifted.count_params() == network.count_params() + norm_parameters(network)
    x = pictures(lifted)
    made = lifted.predict(x, verbose=0)
    for stream, image in x.items():
        # The same kernels in the same order on the same numbers.
        assert relative(made[stream], network.predict(three(image), verbose=0)) <= 1e-6
    # After the 3x3 convolution of each bottleneck.
    names = [f"stack{stack}_block{block}_2_bn" for stack in (0, 1) for block in (0, 1)]
    assert list(exchanging_norms(Graph(network))) == names
