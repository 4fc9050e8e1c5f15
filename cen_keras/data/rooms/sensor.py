"""What an RGB-D camera makes of a clean picture.

Depth: axial noise after Nguyen, Izadi and Lovell (2012), steps of disparity after Khoshelham and
    Elberink (2012),
holes at jumps, at grazing angles and far away. Colour: exposure, white balance, shot and read
noise, dark rooms.
"""

import cv2
import numpy as np

DARK_SHARE = 0.18
"""Share of views in which the lights are off."""


def sense_depth(
    depth: np.ndarray, facing: np.ndarray, jump: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Depth as a sensor reports it.

    Args:
        depth: float32 (h, w), clean z-depth, metres.
        facing: float32 (h, w), cosine between the surface and the line of sight.
        jump: float32 (h, w), occlusion edges, 0..1.
        rng: draws the noise.

    Returns:
        float32 (h, w), metres, 0 = missing.
    """
    shape = depth.shape
    sigma = 0.0012 + 0.0019 * (depth - 0.4) ** 2
    noisy = depth + sigma * rng.standard_normal(shape, dtype=np.float32)
    # The step of disparity is 2.85 mm at 1 m and grows with the square of the distance.
    inverse = np.round((1 / np.maximum(noisy, 0.2)) / 0.00285) * 0.00285
    measured = 1 / np.maximum(inverse, 0.00285)
    # Holes come in blobs: decide by noise that is smooth over a few pixels.
    coarse = rng.random((max(2, shape[0] // 4), max(2, shape[1] // 4)), dtype=np.float32)
    chance = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_LINEAR)
    chance = 0.6 * chance + 0.4 * rng.random(shape, dtype=np.float32)
    # The shadow of the projector is a few thousandths of the picture wide; the jump itself marks
    # both its sides.
    reach = max(1, 2 * (shape[1] // 400) + 1)
    border = cv2.dilate(jump, np.ones((reach, reach), np.uint8)) if reach > 1 else jump
    lost = 0.02 + 0.35 * (border > 0.08)
    lost = lost + np.clip((0.22 - facing) / 0.2, 0, 0.9) + np.clip((depth - 4.5) / 4, 0, 0.8)
    return np.where(chance < lost * 0.8 + 0.08, 0, measured).astype(np.float32)


def sense_rgb(light: np.ndarray, rng: np.random.Generator, steady: bool = False) -> np.ndarray:
    """Colour picture as a camera takes it.

    Args:
        light: float32 (h, w, 3), linear.
        rng: draws exposure, white balance and noise.
        steady: no dark room and one exposure and white balance for all pictures; noise only.

    Returns:
        uint8 (h, w, 3), RGB for display.
    """
    dark = rng.random() < DARK_SHARE
    gain = np.exp(rng.uniform(-3.4, -1.9)) if dark else np.exp(rng.uniform(-0.45, 0.35))
    balance = np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
    exposed = light * balance * np.float32(gain)
    if steady:
        dark, exposed = False, light
    shot = rng.standard_normal(light.shape, dtype=np.float32)
    read = 0.004 if dark else 0.002
    exposed = exposed + shot * (read + 0.03 * np.sqrt(np.maximum(exposed, 0) * 0.1))
    return develop(exposed)


def develop(light: np.ndarray) -> np.ndarray:
    """Linear light to uint8 for display: clipped, gamma 2.2."""
    return (np.clip(light, 0, 1) ** np.float32(1 / 2.2) * 255 + 0.5).astype(np.uint8)
