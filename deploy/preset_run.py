"""A preset with trained weights as a run folder, so that every command takes it.

    python -m deploy export preset:cen_edge_m_rooms --scheme static_w8a8

unpacks the weights that come with the package into runs/presets/cen_edge_m_rooms (under
$CEN_KERAS_RUNS where that is set) and goes on as with a folder of one's own training.
"""

import json
import os
from pathlib import Path

from cen_keras.errors import InputError
from cen_keras.files import atomic_path, write_json

from .host import quiet_tensorflow

PREFIX = "preset:"
_MARK = "preset.json"


def unpack(name: str) -> Path:
    """Writes a preset's model and data, unless they are there already.

    Args:
        name: of a preset with weights.

    Returns:
        the run folder.

    Raises:
        InputError: the preset is unknown, has no weights, or its file is damaged.
        OSError: full disk, no permission.
    """
    from cen_keras.models.presets import preset_of, presets

    preset = preset_of(name)
    if preset.card is None:
        trained = [other for other, found in presets().items() if found.card]
        raise InputError(
            f"{PREFIX}{name}: this preset has no trained weights; take one that has "
            f"({', '.join(trained) or 'there is none'}), or train it with `python -m recipes.train`"
        )
    folder = Path(os.environ.get("CEN_KERAS_RUNS", "runs")) / "presets" / name
    mark = {"preset": name, "sha256": preset.card["sha256"]}
    if _read(folder / _MARK) == mark and (folder / "best.keras").is_file():
        return folder
    quiet_tensorflow()
    from cen_keras.models import Segmenter

    model = Segmenter.from_preset(name)
    (folder / _MARK).unlink(missing_ok=True)
    with atomic_path(folder / "best.keras") as temporary:
        model.save(temporary)
    write_json(folder / "data.json", preset.card["data"])
    write_json(folder / _MARK, mark)
    return folder


def _read(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
