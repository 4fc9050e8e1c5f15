"""A preset with trained weights, or a model file, as a run folder, so that every command takes it.

    python -m deploy export preset:cen_edge_m_rooms --scheme static_w8a8
    python -m deploy export my_model.keras --image-shape 480x640

The first unpacks the weights that come with the package into runs/presets/cen_edge_m_rooms (under
$CEN_KERAS_RUNS where that is set), with the 8-bit artifact that some presets have; the second makes
a folder my_model beside the file. Both go on as with a folder of one's own training.
"""

import hashlib
import json
import os
import shutil
import zipfile
from pathlib import Path

from cen_keras.errors import InputError, reason_of
from cen_keras.files import atomic_path, write_json

from .host import quiet_tensorflow
from .runtime.files import sha256

PREFIX = "preset:"
SUFFIX = ".keras"
_MARK = "preset.json"


def unpack(name: str) -> Path:
    """Writes a preset's model, data and 8-bit artifact, unless they are there already.

    Args:
        name: of a preset with weights.

    Returns:
        the run folder.

    Raises:
        InputError: the preset is unknown, has no weights, or its file is damaged.
        OSError: full disk, no permission.
    """
    quiet_tensorflow()
    from cen_keras.models.presets import WEIGHTS, preset_of, presets

    preset = preset_of(name)
    if preset.card is None:
        trained = [other for other, found in presets().items() if found.card]
        raise InputError(
            f"{PREFIX}{name}: this preset has no trained weights; take one that has "
            f"({', '.join(trained) or 'there is none'}), or train it with `python -m recipes.train`"
        )
    folder = Path(os.environ.get("CEN_KERAS_RUNS", "runs")) / "presets" / name
    artifacts = sorted((WEIGHTS / "int8" / name).glob("*"))
    # The whole card: modalities and units change without the weights.
    card = hashlib.sha256(json.dumps(preset.card, sort_keys=True).encode()).hexdigest()
    mark = {"preset": name, "card": card}
    mark["artifacts"] = {file.name: sha256(file) for file in artifacts}
    if _read(folder / _MARK) == mark and (folder / "best.keras").is_file():
        return folder
    from cen_keras.models import Segmenter

    model = Segmenter.from_preset(name)
    (folder / _MARK).unlink(missing_ok=True)
    with atomic_path(folder / "best.keras") as temporary:
        model.save(temporary)
    write_json(folder / "data.json", preset.card["data"])
    for file in artifacts:
        with atomic_path(folder / "tflite" / file.name) as temporary:
            shutil.copyfile(file, temporary)
    write_json(folder / _MARK, mark)
    return folder


def beside_model(file: Path) -> Path:
    """Makes a run folder for a `Segmenter` that was saved as a file, or finds the one that is there.

    Args:
        file: a .keras file.

    Returns:
        the folder; in `data.json` stands what the model knows of itself, and no data set.

    Raises:
        InputError: the file is no whole model, or none of a segmentation; or the folder is another
            run's.
        OSError: full disk, no permission.
    """
    folder, digest = file.with_suffix(""), sha256(file)
    known = _read(folder / "data.json")
    if isinstance(known, dict) and known.get("sha256") == digest:
        return folder
    made_here = isinstance(known, dict) and known.get("model") == f"../{file.name}"
    if (folder / "data.json").exists() and not made_here:
        raise InputError(
            f"{folder}: is the folder of another run, and {file.name} would need it; name the run folder, or "
            f"rename {file.name}"
        )
    quiet_tensorflow()
    model = load_model(file)
    if not hasattr(model, "descriptions") or not hasattr(model, "classes"):
        raise InputError(
            f"{file}: a {type(model).__name__}, which does not say what its inputs and classes are; "
            "export a saved Segmenter, or train with a recipe"
        )
    data = {
        "task": "segmentation",
        "dataset": None,
        "modalities": list(model.modalities),
        "descriptions": {name: m.to_config() for name, m in model.descriptions.items()},
        "normalization": {
            name: {"scale": m.scale, "mean": list(m.mean), "std": list(m.std)}
            for name, m in model.descriptions.items()
        },
        "classes": list(model.classes.names),
        "palette": [list(colour) for colour in model.classes.colours],
        "image_shape": model.image_shape,
        "model": f"../{file.name}",
        "sha256": digest,
    }
    folder.mkdir(exist_ok=True)
    write_json(folder / "data.json", data)
    return folder


def load_model(path: Path):
    """Loads a model file for inference.

    Raises:
        InputError: it is no whole Keras model.
    """
    import keras

    import cen_keras.models  # noqa: F401 - registers the classes that the file names

    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        reason = reason_of(error)
        raise InputError(f"{path}: not a whole Keras model ({reason}); train again") from error


def _read(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
