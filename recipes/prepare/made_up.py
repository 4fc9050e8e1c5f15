"""Made-up pairs of the official size, to time what reads them; nothing can be learnt from them."""

from pathlib import Path

import cv2
import numpy as np

SHAPE = (480, 640)
MASK = (468, 625)


def write_pairs(root: Path, count: int, classes: int, seed: int = 0) -> None:
    """Writes pairs in the layout that CEN's official code reads, lists included.

    The pictures are smooth with some noise, so that they take as long to decode as photographs:
    rgb/ JPEG 640x480, depth/ 16-bit PNG 640x480 in 1/5000 m, masks/ PNG 625x468.

    Args:
        root: an empty folder.
        count: pairs.
        classes: of the labels; some pixels are ignored.
        seed: of the pictures.
    """
    rng = np.random.default_rng(seed)

    def smooth(channels, cells=12):
        coarse = rng.uniform(size=(cells, cells, channels)).astype(np.float32)
        return cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)

    lines = []
    for number in range(1, count + 1):
        rgb = 255 * smooth(3) + rng.normal(0, 6, (*SHAPE, 3))
        depth = 1 + 5 * smooth(1) + rng.normal(0, 0.005, SHAPE)
        mask = (smooth(1) * classes).clip(0, classes - 1).astype(np.uint8)
        mask[: SHAPE[0] // 20] = 255
        top, left = (SHAPE[0] - MASK[0]) // 2, (SHAPE[1] - MASK[1]) // 2
        files = {
            f"rgb/{number:06d}.jpg": rgb.clip(0, 255).astype(np.uint8),
            f"masks/{number:06d}.png": mask[top : top + MASK[0], left : left + MASK[1]],
            f"depth/{number:06d}.png": (5000 * depth).clip(1, 65534).astype(np.uint16),
        }
        for name, picture in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / name), picture)
        lines.append("\t".join(files))
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
