"""Pictures of what a model does."""

from collections.abc import Sequence

import numpy as np

GAP = 2
"""White pixels between the pictures of a grid."""


def as_picture(image: np.ndarray) -> np.ndarray:
    """Turns an image in -1..1, float (h, w, c), into uint8 (h, w, 3); of more channels the first three."""
    shown = image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, -1)
    return np.clip(np.round((shown + 1) * 127.5), 0, 255).astype(np.uint8)


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
        shown = [
            inputs[name][i][..., c : c + 3]
            for name in order
            for c in range(0, inputs[name].shape[-1], 3)
        ]
        streams = [made[name][i] for name in order if name in made]
        outputs = [*(streams if len(streams) > 1 else []), made["ensemble"][i]]
        rows.append([as_picture(image) for image in (*shown, *outputs, target[i])])
    return grid(rows)
