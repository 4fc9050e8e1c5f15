"""What people put on windows: blinds, curtains and roller shades.

NYUDv2's 13 classes count all of it as window, and many of its windows show nothing else.
"""

import numpy as np

from cen_keras.data.rooms import materials

BARE, BLINDS, CURTAINS, SHADE = range(4)


def dress(decal, x, y, colour, glow) -> tuple[np.ndarray, np.ndarray]:
    """Hangs something before a window.

    Args:
        decal: the window; its seed decides what hangs there.
        x: float32 (n,), 0..1 from its left edge to its right one.
        y: float32 (n,), 0..1 from its lower edge upwards.
        colour: float32 (n, 3), linear light, of the bare window.
        glow: float32 (n,), 0..1, how far each point shines by itself.

    Returns:
        colour and glow, as given.
    """
    rng = np.random.default_rng([decal.seed, 1])
    width, height = decal.high[0] - decal.low[0], decal.high[1] - decal.low[1]
    kind = rng.choice([BARE, BLINDS, CURTAINS, SHADE], p=[0.2, 0.35, 0.3, 0.15])
    # Cameras expose for the room, so that by day the outside is often white.
    colour = colour * (1 if decal.night else rng.uniform(1, 4))
    cloth = decal.second if rng.random() < 0.5 else np.full(3, rng.uniform(0.5, 0.9), np.float32)
    through = 0 if decal.night else rng.uniform(0, 0.7)
    down = 1 - (1 if rng.random() < 0.6 else rng.uniform(0.3, 0.9))
    if kind == BARE:
        return colour, glow
    if kind == CURTAINS:
        share = 0.5 if rng.random() < 0.4 else rng.uniform(0.12, 0.4)
        covered = np.minimum(x, 1 - x) <= share
        folds = x * width / rng.uniform(0.08, 0.2) + materials.clouds(x, y, 0.5, decal.seed)
        shade = 0.7 + 0.3 * np.sin(2 * np.pi * folds)
    elif kind == BLINDS:
        phase = y * height / rng.uniform(0.025, 0.08) % 1
        covered = (y >= down) & (phase >= rng.uniform(0, 0.4))
        shade = 0.65 + 0.35 * phase
    else:
        covered, shade = y >= down, np.ones_like(y)
    hanging = cloth * shade[:, None]
    return (
        np.where(covered[:, None], hanging, colour),
        np.where(covered, np.float32(through), glow),
    )
