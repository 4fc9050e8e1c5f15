"""What every data set of this package is: a sequence of views."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from cen_keras.modalities import Modality


class Views:
    """A sequence of views with the names and colours of their classes.

    A view is a dict of arrays of one height and width:

    - `rgb`: uint8 (h, w, 3);
    - `depth`: float32 (h, w), metres, 0, NaN or infinity where the sensor gave nothing;
    - `label`: integers (h, w), class numbers and the ignored label;
    - and whatever else a data set has (`thermal`, `normals`, ...), (h, w) or (h, w, channels) of any
      dtype, as its `cen_keras.modalities.Modality` says.

    Subclasses set the attributes and write `__len__` and `__getitem__`. Reading the same index
    twice gives the same arrays; several threads may read at once.

    Attributes:
        name: short name of the data set, as in the table of `cen_keras.data.datasets`.
        classes: names of the classes, in the order of the label values; empty where there are no
            labels.
        palette: uint8 (number of classes, 3), RGB.
        modalities: name -> `Modality` of the pictures that differ from the ready ones.
        label_source: which labels these are, where a data set has several; scores say it.
    """

    name: str = ""
    classes: tuple[str, ...] = ()
    palette: np.ndarray = np.zeros((0, 3), np.uint8)
    modalities: Mapping[str, Modality] = MappingProxyType({})
    label_source: str = ""

    def __len__(self) -> int:
        """Number of views."""
        return 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The view at `index`.

        Raises:
            IndexError: `index` is outside the data set; this also ends a plain `for view in views`.
        """
        raise IndexError(f"{self.name or type(self).__name__} has no view {index}.")

    def source(self, index: int) -> str:
        """Where view `index` comes from, for messages: a file name or a description."""
        return f"{self.name} view {index}"
