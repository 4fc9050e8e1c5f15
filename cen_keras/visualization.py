"""Pictures of what a model does."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cen_keras.files import PathLike, atomic_path

DPI = 110
"""Of figures that are written as PNG."""

GAP = 2
"""White pixels between the pictures of a grid."""


RAMP = np.array(
    [[252, 253, 191], [254, 159, 109], [222, 73, 104], [140, 41, 129], [59, 15, 112], [10, 7, 40]]
)
"""Low is bright, high is dark: control points of a ramp that stays readable in grey."""


def save_png(figure: Any, path: PathLike) -> None:
    """Writes a matplotlib figure as a PNG file, atomically; the same figure gives the same bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": None})


def shown(image: np.ndarray, missing: float | None = None) -> np.ndarray:
    """Paints any image of a view.

    Args:
        image: (h, w) or (h, w, channels), any dtype.
        missing: value of pixels where nothing was measured, and which become black.

    Returns:
        uint8 (h, w, 3): colours of 8 bits as they are; else the first channel on a ramp, from the
        second to the 98th percentile.
    """
    planes = image if image.ndim == 3 else image[..., None]
    if planes.dtype == np.uint8 and planes.shape[2] == 3:
        return planes
    values = planes[..., 0].astype(np.float64)
    known = np.isfinite(values) & (True if missing is None else values != missing)
    if not known.any():
        return np.zeros((*values.shape, 3), np.uint8)
    low, high = np.percentile(values[known], (2, 98))
    share = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-9), 0, 1)
    steps = np.linspace(0, 1, len(RAMP))
    picture = np.stack([np.interp(share, steps, RAMP[:, c]) for c in range(3)], axis=-1)
    return np.where(known[..., None], np.round(picture), 0).astype(np.uint8)


def as_picture(image: np.ndarray) -> np.ndarray:
    """Turns an image in -1..1, float (h, w, c), into uint8 (h, w, 3); of more channels the first three."""
    planes = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, -1)
    return np.clip(np.round((planes + 1) * 127.5), 0, 255).astype(np.uint8)


def grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Puts uint8 (h, w, 3) pictures of one size into rows, white lines between them."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = np.full(
        (len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            sheet[top : top + height, left : left + width] = picture
    return sheet


def translation_grid(
    inputs: dict, target: np.ndarray, made: dict, order: Sequence[str]
) -> np.ndarray:
    """Shows views of a translation, one a row: inputs, each output, target.

    Args:
        inputs: modality -> (b, h, w, c) images in -1..1; of joined domains every part is shown.
        target: (b, h, w, 3).
        made: output -> (b, h, w, 3), "ensemble" among them; a fused stream is its own ensemble.
        order: the modalities.

    Returns:
        uint8 (height, width, 3).
    """
    rows = []
    for i in range(len(target)):
        images = [
            inputs[name][i][..., c : c + 3]
            for name in order
            for c in range(0, inputs[name].shape[-1], 3)
        ]
        streams = [made[name][i] for name in order if name in made]
        outputs = [*(streams if len(streams) > 1 else []), made["ensemble"][i]]
        rows.append([as_picture(image) for image in (*images, *outputs, target[i])])
    return grid(rows)
