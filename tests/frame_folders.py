"""Views of any data set as a folder of files, without a loss: PNG of colours and labels, NPY of metres."""

import numpy as np
from PIL import Image


def write_views(views, folder, label=True):
    """Writes rgb/, depth/ and labels/, named by the view's number; returns the folder."""
    for index in range(len(views)):
        view = views[index]
        for name in ("rgb", "depth", *(("labels",) if label else ())):
            path = folder / name / f"{index:04}"
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == "depth":
                np.save(path.with_suffix(".npy"), view["depth"])
            else:
                picture = view["rgb" if name == "rgb" else "label"]
                Image.fromarray(picture.astype(np.uint8)).save(path.with_suffix(".png"))
    return folder
