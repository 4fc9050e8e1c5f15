"""Features for FID and KID that need no download: of a Segmenter that was trained on rooms.

The distances compare the rows of a table with each other; they are not those of papers, whose
features are Inception's.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

DEEPEST = "decoder_p5_lateral"
"""The layer of light_refinenet that reads the deepest level of the backbone."""


def room_features(run: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Returns an extractor for `cen_keras.metrics.features`.

    Args:
        run: finished run folder of a Segmenter of rgb alone with light_refinenet.

    Returns:
        (b, h, w, 3) float32 images in -1..1 -> (b, d) features: the mean over places of the
        backbone's deepest level.

    Raises:
        InputError: the folder is no such run.
    """
    import keras

    from cen_keras.data.transforms import Normalization
    from cen_keras.training.run_folder import load_best, read_json

    model = load_best(run)
    normalize = Normalization.from_json(read_json(run / "data.json")["normalization"])
    # One stream alone is given without its name.
    (level,) = keras.tree.flatten(model.get_layer(DEEPEST).input)
    network = keras.Model(model.inputs, keras.ops.mean(level, axis=(1, 2)))

    def extract(images: np.ndarray) -> np.ndarray:
        pictures = (np.asarray(images) + 1) * 127.5
        return network.predict_on_batch(normalize("rgb", pictures))

    return extract
