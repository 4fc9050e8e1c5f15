"""A run folder's description of a model that was never trained."""

from cen_keras.data.labels import palette
from deploy.run_folder import RunFolder


def run_of(model, size, path):
    """What a run folder would say of a model that was never trained."""
    plain = {
        "rgb": {"scale": 1 / 255, "mean": [0.5] * 3, "std": [0.25] * 3},
        "depth": {"scale": 1.0, "mean": [2.5], "std": [1.5]},
        "normal": {"scale": 1 / 255, "mean": [0.5] * 3, "std": [0.25] * 3},
    }
    data = {
        "task": "segmentation",
        "dataset": None,
        "modalities": list(model.modalities),
        "classes": list(model.classes.names),
        "palette": [[int(c) for c in colour] for colour in palette(len(model.classes))],
        "normalization": {name: plain[name] for name in model.modalities},
        "image_shape": list(size),
    }
    return RunFolder(path, data)
