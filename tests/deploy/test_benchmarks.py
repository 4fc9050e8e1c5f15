"""The contenders compute the same network, half exchanged, and the figures are held the right way round."""

import numpy as np
import pytest
from seeded import images

from cen_keras.metrics.exchange_rate import exchange_rate
from deploy.benchmarks import LIMITS, edge_network, held
from deploy.benchmarks.mask_export import masked
from deploy.benchmarks.network import NetworkSpec, seeded
from deploy.benchmarks.where_export import pools_in_two


def test_masks_compute_what_where_does_with_half_exchanged():
    options = {"filters": 8, "pooling_stages": 1}
    model = seeded(NetworkSpec("narrow", size=(32, 32), decoder_options=options))
    # Half of every own part, whose sizes are even.
    assert exchange_rate(model)["share_of_penalised"] == 0.5
    feeds = images(model, (32, 32))
    wanted, found = model(feeds, training=False), masked(model)(feeds, training=False)
    for name, logits in wanted.items():
        # x * 1 + y * 0 is exact.
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(logits))


def test_pools_in_two_compute_the_same():
    options = {"filters": 8, "pooling_stages": 1}
    model = seeded(NetworkSpec("narrow", size=(32, 32), decoder_options=options))
    twin = pools_in_two(model)
    assert any(getattr(layer, "pool_size", ()) == (1, 5) for layer in twin.layers)
    feeds = images(model, (32, 32))
    wanted, found = model(feeds, training=False), twin(feeds, training=False)
    for name, logits in wanted.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(logits))


def test_figures_are_held_against_their_targets():
    result = {"lint": {"ort_default": {"errors": 3}}}
    for name, limit in LIMITS.items():
        *path, last = name.split(".")
        place = result
        for key in path:
            place = place.setdefault(key, {})
        place[last] = limit
    assert all(good for *_, good in held(result))
    result["latency_ratio"]["int8_same_passes"] += 0.01
    result["lint"]["ort_default"]["errors"] = 0
    del result["miou_drop"]["qat_w8a8"]
    missed = [name for name, *_, good in held(result) if not good]
    assert missed == [
        "latency_ratio.int8_same_passes",
        "miou_drop.qat_w8a8",
        "lint.ort_default.errors (at least)",
    ]


@pytest.mark.slow
def test_the_edge_network_is_measured_in_every_form(tmp_path):
    found = edge_network.measure(tmp_path, print, rounds=1, threads=1)
    ratios, details = found["latency_ratio"], found["details"]
    assert set(ratios) == {
        name.split(".")[1] for name in LIMITS if "edge_int8" in name or "two_over" in name
    }
    p50 = details["p50_ms"]
    assert ratios["two_over_one_int8"] == p50["two_P5_int8"] / p50["one_int8"]
    # A joined decoder has fewer operators, and weights that are shared as before.
    sizes = details["bytes"]
    assert sizes["two_P5_int8"] < sizes["two_apart_int8"] and len(p50) == 3 + 2 * 6
