"""A pinhole camera: x right, y down, z forward; the world has z up."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Camera:
    """Where the camera is and what it sees.

    Attributes:
        position: (x, y, z) in the world, metres.
        yaw: direction of view, radians, from the world's x towards its y.
        pitch: radians, upwards positive.
        roll: radians, clockwise in the image.
        fov: horizontal angle of view, radians.
    """

    position: tuple[float, float, float]
    yaw: float
    pitch: float
    roll: float
    fov: float

    def axes(self) -> np.ndarray:
        """Rotation from camera to world: float64 (3, 3), columns are right, down and forward."""
        cos_yaw, sin_yaw = math.cos(self.yaw), math.sin(self.yaw)
        cos_pitch, sin_pitch = math.cos(self.pitch), math.sin(self.pitch)
        forward = np.array([cos_yaw * cos_pitch, sin_yaw * cos_pitch, sin_pitch])
        right = np.array([sin_yaw, -cos_yaw, 0.0])
        down = np.cross(forward, right)
        cos_roll, sin_roll = math.cos(self.roll), math.sin(self.roll)
        turned_right = cos_roll * right + sin_roll * down
        turned_down = cos_roll * down - sin_roll * right
        return np.stack([turned_right, turned_down, forward], axis=1)

    def focal(self, width: int) -> float:
        """Focal length in pixels of an image `width` pixels wide."""
        return 0.5 * width / math.tan(0.5 * self.fov)

    def rays(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """One ray through the centre of each pixel.

        Args:
            height: rows.
            width: columns.

        Returns:
            directions in the camera's frame and in the world's, both float32 (3, height, width).
            The z part in the camera's frame is 1, so that a ray's parameter is z-depth.
        """
        focal = self.focal(width)
        u = (np.arange(width) + 0.5 - 0.5 * width) / focal
        v = (np.arange(height) + 0.5 - 0.5 * height) / focal
        local = np.empty((3, height, width))
        local[0], local[1], local[2] = u[None, :], v[:, None], 1.0
        world = np.einsum("ij,jhw->ihw", self.axes(), local)
        return local.astype(np.float32), world.astype(np.float32)
