"""Images of one moment come together, and a silent or lost topic holds nobody up."""

import itertools

import numpy as np
import pytest

from deploy.ros.synchroniser import Synchroniser


def run(synchroniser, events):
    """Events are (clock, topic, stamp); gives the sets as stamps by topic."""
    found = []
    for now, topic, stamp in events:
        got = synchroniser.add(topic, stamp, f"{topic}@{stamp:.3f}", now)
        if got is not None:
            assert all(message == f"{name}@{time:.3f}" for name, (time, message) in got.items())
            found.append({name: round(time, 3) for name, (time, _) in got.items()})
    return found


def pairs(times, lag=0.0, delay=0.004, first="rgb"):
    """Colour and depth whose stamps differ by `lag`, arriving `delay` after one another."""
    second = "depth" if first == "rgb" else "rgb"
    stamps = {"rgb": 0.0, "depth": lag}
    for time in times:
        yield time, first, time + stamps[first]
        yield time + delay, second, time + stamps[second]


@pytest.mark.parametrize("first", ["rgb", "depth"])
@pytest.mark.parametrize("lag", [0.0, 0.012, -0.012])
def test_every_pair_is_found_whoever_comes_first(first, lag):
    times = [0.0333 * i for i in range(30)]
    found = run(Synchroniser(["rgb", "depth"]), pairs(times, lag, first=first))
    assert len(found) == 30
    # Both stamps are rounded to a millisecond.
    assert all(abs(s["depth"] - s["rgb"] - lag) < 1.1e-3 for s in found)
    assert list(found[0]) == ["rgb", "depth"]


def test_no_image_is_given_twice_and_order_is_kept():
    rng = np.random.default_rng(1)
    events = sorted(
        (stamp + rng.uniform(0, 0.05), topic, stamp)
        for topic in ("rgb", "depth")
        for stamp in (np.arange(200) * 0.0333 + rng.normal(0, 0.004, 200)).tolist()
    )
    found = run(Synchroniser(["rgb", "depth"]), events)
    for name in ("rgb", "depth"):
        stamps = [s[name] for s in found if name in s]
        assert stamps == sorted(set(stamps))
    assert all(len(s) == 2 and abs(s["rgb"] - s["depth"]) <= 0.0201 for s in found)
    # Jitter beyond the slop is rare: 2 * 4 ms * sqrt(2) is far inside 20 ms.
    assert len(found) > 180


def test_a_dropped_image_costs_its_pair_alone():
    events = [e for i, e in enumerate(pairs([0.1 * i for i in range(10)])) if i != 7]
    found = run(Synchroniser(["rgb", "depth"]), events)
    assert [s["rgb"] for s in found] == [0.0, 0.1, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]


@pytest.mark.parametrize("silent", ["rgb", "depth"])
def test_a_topic_that_stops_is_not_waited_for_and_comes_back(silent):
    events = [
        e for e in pairs([0.1 * i for i in range(60)]) if not (e[1] == silent and 2.0 <= e[2] < 4.0)
    ]
    found = run(Synchroniser(["rgb", "depth"], patience=1.0), events)
    other = "depth" if silent == "rgb" else "rgb"
    alone = [s[other] for s in found if silent not in s]
    # Waited for during one second, then alone until it came back.
    assert min(alone) == pytest.approx(3.0, abs=0.11) and max(alone) < 4.01
    assert len(alone) in (9, 10, 11)
    whole = [s for s in found if len(s) == 2]
    assert sum(s["rgb"] >= 4.05 for s in whole) == 19, "whole again at once"


def test_a_topic_that_never_speaks():
    events = [(0.1 * i, "rgb", 0.1 * i) for i in range(30)]
    found = run(Synchroniser(["rgb", "depth"], patience=1.0), events)
    assert found[0]["rgb"] == pytest.approx(1.1, abs=0.11)
    assert len(found) in (19, 20)


def test_clocks_that_differ_are_reported_and_the_first_topic_goes_on():
    synchroniser = Synchroniser(["rgb", "depth"], patience=1.0)
    times = [0.1 * i for i in range(30)]
    found = run(synchroniser, pairs(times, lag=100.0))
    assert all(list(s) == ["rgb"] for s in found) and 18 <= len(found) <= 20
    assert synchroniser.apart == pytest.approx(100.0, abs=3.0)
    # Set to one clock while it runs.
    found = run(synchroniser, pairs([3 + 0.1 * i for i in range(10)]))
    assert synchroniser.apart is None
    assert [len(s) for s in found][-8:] == [2] * 8


def test_stamps_that_go_back_begin_anew():
    synchroniser = Synchroniser(["rgb", "depth"])
    assert len(run(synchroniser, pairs([50.0, 50.1]))) == 2
    events = [(51 + now, topic, stamp) for now, topic, stamp in pairs([0.0, 0.1])]
    assert len(run(synchroniser, events)) == 2


def test_three_topics():
    names = ["rgb", "depth", "thermal"]
    for order in itertools.permutations(names):
        synchroniser = Synchroniser(names)
        events = [
            (0.1 * i + 0.003 * n, name, 0.1 * i) for i in range(5) for n, name in enumerate(order)
        ]
        assert run(synchroniser, events) == [
            dict.fromkeys(names, round(0.1 * i, 3)) for i in range(5)
        ]


def test_one_topic_needs_no_other():
    assert len(run(Synchroniser(["rgb"]), [(0.1 * i, "rgb", 5.0) for i in range(4)])) == 4
