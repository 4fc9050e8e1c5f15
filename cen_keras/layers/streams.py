"""What every layer over streams shares: a dict of tensors keyed by modality.

The order of the modalities is an argument of the layers that need one; it is never read from the dict, which some
backends hand over sorted by key.
"""

from collections.abc import Iterable

from cen_keras.errors import InputError
from cen_keras.modalities import several

FUSED = "fused"
"""Name of the one stream that is left where several have become one."""


def check_modalities(modalities: Iterable[str]) -> tuple[str, ...]:
    """Returns the modalities as a tuple of distinct names.

    Raises:
        InputError: no name, a name twice, an empty name, one with a slash, which Keras has not in names, or
            the reserved name "ensemble".
    """
    names = several(modalities)
    distinct = bool(names) and len(set(names)) == len(names) and all(names)
    if not distinct or "ensemble" in names or any("/" in name for name in names):
        raise InputError(
            f'modalities must be distinct names without a slash, none of them "ensemble"; found {names!r}.'
        )
    return names


def one_shape(shapes: dict[str, tuple]) -> tuple:
    """Returns the shape that all streams have in common.

    Raises:
        InputError: the streams differ in shape.
    """
    distinct = {tuple(shape) for shape in shapes.values()}
    if len(distinct) != 1:
        raise InputError(f"all streams must have one shape; found {shapes}.")
    return distinct.pop()
