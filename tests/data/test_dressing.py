"""Windows of rich rooms: what hangs before them covers what it should, and nothing else."""

import dataclasses

import numpy as np
import pytest

from cen_keras.data.rooms import decals, materials

X, Y = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 81), np.linspace(0, 1, 61)))
BARE = np.float32([1.0, 0.5, 0.25])
CLOTH = np.float32([0.2, 0.3, 0.9])


def window(seed, night=False):
    low, high = (0.0, 1.0), (1.6, 2.2)
    return decals.Decal(
        0, low, high, materials.WINDOW, 12, np.zeros(3), CLOTH, seed, night, rich=True
    )


def covered(seed):
    """Where the colour is no longer a multiple of the bare window's."""
    colour, glow = decals.dress(window(seed), X, Y, np.tile(BARE, (len(X), 1)), np.ones(len(X)))
    assert colour.min() >= 0 and 0 <= glow.min() and glow.max() <= 1
    outside = np.abs(colour / BARE - colour[:, :1]).max(axis=1) < 1e-5
    # By day the outside is exposed up to four times, and shines by itself.
    assert (glow[outside] == 1).all() and colour[outside].max(initial=1) <= 4 * BARE.max()
    return ~outside.reshape(61, 81)


def kind(found):
    """What hangs there, told by its shape alone."""
    columns, rows = found.all(axis=0), found.all(axis=1)
    if not found.any():
        return "bare"
    if (found == columns).all() and not rows.all():
        return "curtains at the sides"
    if (found == rows[:, None]).all():
        steps = np.abs(np.diff(rows.astype(int))).sum()
        return "all" if not steps and rows.all() else "shade" if steps == 1 else "blinds"
    return "nonsense"


def test_every_kind_hangs_somewhere_and_has_its_shape():
    kinds = [kind(covered(seed)) for seed in range(60)]
    # The rarest of these, curtains at the sides, are at 0.18 of the windows: none of 60 once in 10^5.
    assert set(kinds) >= {"bare", "curtains at the sides", "blinds", "all"}
    assert "nonsense" not in kinds


@pytest.mark.parametrize("seed", range(12))
def test_shades_and_blinds_hang_from_above_and_curtains_from_both_sides(seed):
    found = covered(seed)
    if kind(found) == "shade":
        assert found[-1].all() and not found[0].any()
    if kind(found) == "curtains at the sides":
        np.testing.assert_array_equal(found, found[:, ::-1])


def test_at_night_nothing_shines_but_the_lights_outside():
    for seed in range(20):
        decal = window(seed, night=True)
        colour, glow = decals.paint(decal, 1.6 * X, 1.0 + 1.2 * Y)
        bare, bare_glow = decals.paint(dataclasses.replace(decal, rich=False), 1.6 * X, 1 + 1.2 * Y)
        same = (colour == bare).all(axis=1)
        np.testing.assert_array_equal(glow[same], bare_glow[same])
        assert (glow[~same] == 0).all()
