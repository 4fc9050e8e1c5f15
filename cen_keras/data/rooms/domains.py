"""The other pictures of a view, after the domains of Taskonomy (Zamir et al., 2018)."""

import cv2
import numpy as np

from cen_keras.data.rooms.camera import Camera
from cen_keras.data.rooms.raycast import ELLIPSOID
from cen_keras.data.rooms.render import Geometry
from cen_keras.data.rooms.scene import Scene


def camera_normal(seen: Geometry, camera: Camera) -> np.ndarray:
    """Normals in the camera's frame (x right, y down, z forward), float32 (h, w, 3), length 1."""
    return np.einsum("ij,ihw->hwj", camera.axes(), seen.normal).astype(np.float32)


def depth_euclidean(seen: Geometry) -> np.ndarray:
    """Distance to the camera, float32 (h, w), metres."""
    return seen.depth * np.sqrt((seen.view * seen.view).sum(0))


def reshading(seen: Geometry) -> np.ndarray:
    """White surfaces lit by a lamp at the camera: float32 (h, w), 0..1, the cosine of incidence."""
    cosine = -(seen.normal * seen.view).sum(0) / np.sqrt((seen.view * seen.view).sum(0))
    return np.clip(cosine, 0, 1).astype(np.float32)


def edge_texture(rgb: np.ndarray) -> np.ndarray:
    """Strength of the edges of a picture.

    Args:
        rgb: uint8 (h, w, 3).

    Returns:
        float32 (h, w), 0..1, gradient magnitude of the brightness (Sobel, 3x3); 1 is a step from
        black to white.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    # A full step gives 4 in one direction.
    return np.clip(np.hypot(across, down) / 4, 0, 1)


def edge_occlusion(depth: np.ndarray) -> np.ndarray:
    """Strength of the edges where something hides something else.

    Second differences of inverse depth: it is linear in the pixel across any plane, so that slanted
    planes give 0.

    Args:
        depth: float32 (h, w), clean z-depth, metres, above 0.

    Returns:
        float32 (h, w), 0..1; relative jump in depth, 1 where the distance at least doubles.
    """
    inverse = np.pad(1 / depth, 1, mode="reflect", reflect_type="odd")
    middle = inverse[1:-1, 1:-1]
    across = np.abs(inverse[1:-1, 2:] + inverse[1:-1, :-2] - 2 * middle)
    down = np.abs(inverse[2:, 1:-1] + inverse[:-2, 1:-1] - 2 * middle)
    jump = 2 * np.maximum(across, down) * depth
    return np.clip(np.where(jump < 0.02, 0, jump), 0, 1).astype(np.float32)


def principal_curvature(scene: Scene, seen: Geometry) -> np.ndarray:
    """Principal curvatures of the surfaces, without their creases.

    Exact for elliptic cylinders and ellipsoids; 0 on planes.

    Args:
        scene: the room.
        seen: what `geometry` found.

    Returns:
        float32 (h, w, 2), 1/metre, larger first; convex is positive.
    """
    result = np.zeros((*seen.depth.shape, 2), np.float32)
    flat = result.reshape(-1, 2)
    at = np.flatnonzero(seen.axis.ravel() >= 3)
    if not len(at):
        return result
    number = seen.owner.ravel()[at] - 6
    p = seen.local.reshape(3, -1)[:, at].astype(np.float64)
    half = scene.solids.half[number].T.astype(np.float64)
    ball = scene.solids.kind[number] == ELLIPSOID
    squares = half**2
    lengths = p**2 / squares**2
    round_sum = lengths[0] + lengths[1]
    cylinder = 1 / (squares[0] * squares[1] * round_sum**1.5)
    whole = round_sum + lengths[2]
    volume = half.prod(0)
    # Mean curvature H and Gaussian curvature K of an ellipsoid.
    mean = np.abs((p**2).sum(0) - squares.sum(0)) / (2 * volume**2 * whole**1.5)
    gauss = 1 / (volume**2 * whole**2)
    root = np.sqrt(np.maximum(mean**2 - gauss, 0))
    flat[at, 0] = np.where(ball, mean + root, cylinder)
    flat[at, 1] = np.where(ball, mean - root, 0)
    return result
