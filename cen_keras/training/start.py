"""What a segmentation recipe starts from: ImageNet, a preset, or another run's weights."""

from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.training.recipe import merged
from cen_keras.training.run_folder import load_best
from cen_keras.training.segmentation import PRESET, RUN, Recipe

OF_DATA = ("classes", "num_classes")
"""Arguments of a Segmenter that its data decide."""


def start_of(recipe: Recipe) -> Any:
    """Returns the `Preset` that a recipe starts from, or None.

    Raises:
        InputError: there is no such preset, or the run has no trained Segmenter.
    """
    name = preset_name(recipe)
    if name is None:
        return None
    from cen_keras.models.presets import preset_of

    return preset_of(name)


def preset_name(recipe: Recipe) -> str | None:
    """Returns the name or the folder of the preset that a recipe starts from, or None."""
    start = str(recipe.pretrained)
    if start.startswith(RUN):
        return str(preset_of_run(Path(start.removeprefix(RUN)).expanduser()))
    return start.removeprefix(PRESET) if start.startswith(PRESET) else None


def preset_of_run(run: Path) -> Path:
    """Returns a run's best weights as a preset's folder, `RUN/preset/NAME`; writes what is missing or older.

    Raises:
        InputError: there is no such run, it has no weights, or they are no Segmenter's.
    """
    if not run.is_dir():
        raise InputError(
            f"{run}: is missing; the training starts from this run. Train it "
            f"(`python -m recipes.train {run.name}`), or name another start with --set pretrained=."
        )
    best, card = run / "best.keras", run / "preset" / run.resolve().name / "card.json"
    if not (best.is_file() and card.is_file() and card.stat().st_mtime >= best.stat().st_mtime):
        model = load_best(run)
        if not hasattr(model, "save_to_preset"):
            raise InputError(f"{best}: is a {type(model).__name__}; wanted a Segmenter's run.")
        model.save_to_preset(card.parent)
    return card.parent


def model_of(recipe: Recipe) -> dict[str, Any]:
    """Returns the arguments of the recipe's Segmenter, but its classes: what it says over what it starts from."""
    start = start_of(recipe)
    known = {} if start is None else {k: v for k, v in start.model.items() if k not in OF_DATA}
    return merged(known, recipe.model) if recipe.model else known


def normalization_of(recipe: Recipe):
    """Returns the `Normalization` that the recipe says, and where it does not that of the preset it starts from.

    Other modalities have their own numbers.
    """
    from cen_keras.data.normalization import Normalization

    return Normalization.from_json({**_numbers_of_preset(recipe), **recipe.normalization})


def _numbers_of_preset(recipe: Recipe) -> dict[str, Any]:
    """Modality -> scale, mean and std that the weights of a recipe's preset were trained with."""
    from cen_keras.data.normalization import NUMBERS

    preset = start_of(recipe)
    described = preset.model["modalities"] if preset else ()
    known = [entry for entry in described if isinstance(entry, dict) and set(NUMBERS) <= set(entry)]
    return {entry["name"]: {key: entry[key] for key in NUMBERS} for entry in known}
