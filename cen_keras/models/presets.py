"""Presets: architectures with a name, some of them with trained weights.

```python
model = Segmenter.from_preset("cen_edge_m", num_classes=13)  # random weights
model = Segmenter.from_preset("cen_edge_m_rooms")  # trained ones, in the package
```

The edge models are for boards of the Jetson class and small PCs, at 480x640: `cen_edge_s` where
every millisecond counts, `cen_edge_m` by default, `cen_edge_l` where there is time to spare.
`python -m deploy benchmarks --part edge` measures parameters, multiply-adds, latency and scores.
"""

import dataclasses
import functools
import json
import logging
from pathlib import Path
from typing import Any

import keras

from cen_keras.classes import classes_of
from cen_keras.errors import InputError, reason_of, suggestion
from cen_keras.files import write_json
from cen_keras.modalities import modality_of
from cen_keras.models import weight_files

logger = logging.getLogger(__name__)

WEIGHTS = Path(__file__).parent / "weights"
CARD = "card.json"
CLASSIFIER = "classifier"
"""Name of the layer that depends on the classes, in every decoder."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """An architecture with a name.

    Attributes:
        name: of the preset.
        about: one sentence.
        model: arguments of the `Segmenter`.
        image_shape: height and width at which it sees images, pixels; None for any.
        card: of trained weights: what the .json beside them says; None without weights.
        weights: file of the trained weights, or None.
    """

    name: str
    about: str
    model: dict[str, Any]
    image_shape: tuple[int, int] | None = (480, 640)
    card: dict[str, Any] | None = None
    weights: Path | None = None


def _edge(size: str, **decoder_options: int) -> dict[str, Any]:
    return {
        "modalities": ("rgb", "depth"),
        "backbone": f"mobilenet_{size}",
        "decoder": "light_refinenet",
        "decoder_options": decoder_options,
        # A scale that starts at 1 does not reach zero in a short training from random weights.
        "fusion": {"name": "exchange", "sparsity": 2e-3, "gamma_initializer": 0.3},
    }


_ARCHITECTURES = (
    Preset(
        "cen_edge_s",
        "The smallest: 200 frames a second on two PC cores in int8.",
        _edge("s", filters=32, pooling_stages=2),
    ),
    Preset(
        "cen_edge_m",
        "The usual one: 67 frames a second on two PC cores in int8.",
        _edge("m", filters=96),
    ),
    Preset(
        "cen_edge_l",
        "The largest of the three: 46 frames a second on two PC cores in int8; no trained weights.",
        _edge("l", filters=96),
    ),
)


@functools.cache
def presets() -> dict[str, Preset]:
    """Returns all presets by name: the architectures, then those with weights.

    Raises:
        InputError: a card in the package is damaged.
    """
    found = {preset.name: preset for preset in _ARCHITECTURES}
    for path in sorted(WEIGHTS.glob("*.json")):
        found[path.stem] = read_preset(path, path.stem, path.with_suffix(".npz"))
    return found


def read_preset(path: Path, name: str, weights: Path) -> Preset:
    """Reads a preset's card.

    Args:
        path: of the card.
        name: of the preset.
        weights: its file of weights.

    Raises:
        InputError: there is no card, or it is damaged.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        model = _described(card)
        shape = tuple(card["image_shape"]) if card["image_shape"] else None
        return Preset(name, card["about"], model, shape, card, weights)
    except FileNotFoundError as error:
        raise InputError(f"{path}: is missing; wanted the card of a preset.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not the card of a preset ({error}); install cen_keras again, or save the preset again."
        ) from error


def _described(card: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of the `Segmenter`, with what the card knows of the data."""
    model, data = dict(card["model"]), card.get("data", {})
    if data:
        numbers = data.get("normalization", {})
        model["modalities"] = [
            {"name": name, **numbers.get(name, {})} if isinstance(name, str) else name
            for name in model["modalities"]
        ]
        model.setdefault("classes", {"names": data["classes"], "colours": data["palette"]})
    return model


def preset_of(name: str) -> Preset:
    """Returns a preset by name, or of a folder of `Segmenter.save_to_preset`.

    Raises:
        InputError: there is none of that name, or the folder holds none.
    """
    folder, known = Path(name), presets()
    # A folder of exports may have a preset's name.
    if (folder / CARD).is_file() or (folder.is_dir() and name not in known):
        return read_preset(folder / CARD, folder.name, folder / "weights.npz")
    if name not in known:
        raise InputError(
            f"preset {name!r} is unknown{suggestion(name, known)}; choose one of {', '.join(known)}, or a "
            "folder of a saved preset."
        )
    return known[name]


def build(cls: type, name: str | Path, load_weights: bool = True, **changes: Any):
    """Builds a preset's model; see `Segmenter.from_preset`.

    Raises:
        InputError: the preset is unknown or damaged, its weights do not fit the changes, or the
            modalities come in another order.
    """
    preset = preset_of(str(name))
    given = preset.model.get("classes", preset.model.get("num_classes"))
    own = None if given is None else classes_of(given)
    arguments = {"name": preset.name, **preset.model, **changes}
    if "num_classes" in changes and "classes" not in changes:
        if own is None or changes["num_classes"] != len(own):
            arguments.pop("classes", None)
    model = cls(**{key: _deserialised(preset.name, value) for key, value in arguments.items()})
    if preset.weights is None or not load_weights:
        return model
    _check_order(preset, model.modalities)
    fresh = own is not None and model.classes.names != own.names
    # The ensemble has a weight for each stream, and a joined decoder has one stream.
    skipped = ((CLASSIFIER,) if fresh else ()) + (("ensemble",) if len(model.streams) == 1 else ())
    weight_files.load_weights(model, preset.weights, preset.card["sha256"], skipped)
    if fresh:
        logger.info(
            "%s: %d classes in place of %d, so the classifier is fresh; all other weights are the preset's.",
            preset.name,
            len(model.classes),
            len(own),
        )
    return model


def _deserialised(name: str, value: Any) -> Any:
    """Returns a network or a function of which the card holds Keras' config; all else as it is."""
    if not (isinstance(value, dict) and "class_name" in value):
        return value
    try:
        return keras.saving.deserialize_keras_object(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"preset {name!r}: its {value['class_name']} cannot be built ({reason_of(error)}); "
            "import the module that registers its classes with Keras first."
        ) from error


def _check_order(preset: Preset, modalities: tuple[str, ...]) -> None:
    """Refuses the preset's modalities in another order: own channels and weights go by the place."""
    saved = tuple(modality_of(m).name for m in preset.model.get("modalities", modalities))
    if modalities != saved and sorted(modalities) == sorted(saved):
        raise InputError(
            f"preset {preset.name!r}: its weights are of the modalities {', '.join(saved)} in this "
            f"order, found {', '.join(modalities)}; keep the order, or pass load_weights=False."
        )


def arguments_of(model: keras.Model) -> dict[str, Any]:
    """Returns the arguments of a Segmenter that a preset's card holds."""
    return {k: v for k, v in model.get_config().items() if k not in ("name", "frozen")}


def save(model: keras.Model, folder: Path, about: str = "") -> None:
    """Writes a model as a preset; see `Segmenter.save_to_preset`."""
    arguments = arguments_of(model)  # Before anything is written: some have no config.
    folder.mkdir(parents=True, exist_ok=True)
    checksum = weight_files.save_weights(model, folder / "weights.npz")
    card = {
        "about": about or f"{model.name}, {len(model.classes)} classes.",
        "model": arguments,
        "image_shape": model.image_shape,
        "parameters": model.count_params(),
        "sha256": checksum,
    }
    write_json(folder / CARD, card)
