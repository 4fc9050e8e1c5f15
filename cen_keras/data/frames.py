"""A folder of RGB-D frames: `FolderViews` with the unit of depth as an argument of its own."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cen_keras.data.folder import FolderViews
from cen_keras.data.options import is_number
from cen_keras.errors import InputError
from cen_keras.modalities import Modality, modality_of, several


class FrameViews(FolderViews):
    """A folder of RGB-D frames, or of frames of other modalities.

    ```python
    views = FrameViews("captures", depth_scale=0.001, classes=("floor", "ball", "box"))
    view = views[0]  # {"rgb": ..., "depth": ...}, and "label" if there are label files
    ```

    Args:
        root: the folder.
        modalities: as for `FolderViews`.
        depth_scale: metres per count of files of metres; None for the modality's own, millimetres.
        depth_limits: metres between which the median depth lies; None for the modality's own.
        **options: of `FolderViews`.

    Raises:
        InputError: as for `FolderViews`.
    """

    name = "frames"

    def __init__(
        self,
        root: str | Path,
        modalities: Iterable[str | Modality | Mapping[str, Any]] = ("rgb", "depth"),
        *,
        depth_scale: float | None = None,
        depth_limits: Sequence[float] | None = None,
        **options: Any,
    ):
        changes: dict[str, Any] = {}
        if depth_scale is not None:
            if not is_number(depth_scale) or depth_scale <= 0:
                raise InputError(
                    f"frames: depth_scale is {depth_scale!r}; give metres per count, above 0."
                )
            changes["unit_per_count"] = float(depth_scale)
        if depth_limits is not None:
            changes["limits"] = depth_limits
        known = [modality_of(modality) for modality in several(modalities)]
        super().__init__(root, [_changed(modality, changes) for modality in known], **options)


def _changed(modality: Modality, changes: Mapping[str, Any]) -> Modality:
    if modality.unit != "m" or not changes:
        return modality
    return Modality.from_config({**modality.to_config(), **changes})
