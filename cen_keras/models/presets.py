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
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError

WEIGHTS = Path(__file__).parent / "weights"


@dataclasses.dataclass(frozen=True)
class Preset:
    """An architecture with a name.

    Attributes:
        name: of the preset.
        about: one sentence.
        model: arguments of the `Segmenter`.
        image_shape: height and width that it is meant for, pixels.
        card: of trained weights: what the .json beside them says; None without weights.
    """

    name: str
    about: str
    model: dict[str, Any]
    image_shape: tuple[int, int] = (480, 640)
    card: dict[str, Any] | None = None

    @property
    def weights(self) -> Path | None:
        """File of the trained weights, or None."""
        return WEIGHTS / f"{self.name}.npz" if self.card else None


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
        "The smallest: for 50 frames a second on two PC cores, more on a board's GPU.",
        _edge("s", filters=32, pooling_stages=2),
    ),
    Preset(
        "cen_edge_m",
        "The usual one for a board: real time on two PC cores with room for the rest.",
        _edge("m", filters=96),
    ),
    Preset(
        "cen_edge_l",
        "The most exact of the three, for a board's GPU or a whole small PC.",
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
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            found[path.stem] = Preset(
                path.stem, card["about"], card["model"], tuple(card["image_shape"]), card
            )
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not the card of a preset ({error}); install cen_keras again."
            ) from error
    return found


def preset_of(name: str) -> Preset:
    """Returns a preset by name.

    Raises:
        InputError: there is none of that name.
    """
    known = presets()
    if name not in known:
        raise InputError(f"preset {name!r} is unknown; choose one of {', '.join(known)}.")
    return known[name]


def build(cls: type, name: str, load_weights: bool = True, **changes: Any):
    """Builds a preset's model; see `Segmenter.from_preset`."""
    preset = preset_of(name)
    model = cls(**{"name": name, **preset.model, **changes})
    if preset.card and load_weights:
        from cen_keras.models.weight_files import load_weights as read

        read(model, preset.weights, preset.card["sha256"])
    return model
