"""Scores a trained model of any task: that of a run folder, of a `.keras` file or of a preset."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.classes import classes_of
from cen_keras.errors import InputError
from cen_keras.modalities import Modality
from cen_keras.training.settings import apply_settings
from cen_keras.training.sources import open_source
from cen_keras.training.task import task_of


class Without:
    """Blanks modalities of a view, as unplugged cameras give them; a loader's `augment`.

    Args:
        names: the modalities.
        known: name -> `Modality`, which says what is blank.
    """

    def __init__(self, names: tuple[str, ...], known: Mapping[str, Modality]):
        self.names, self.known = names, known

    def __call__(self, view: dict, rng: Any) -> dict:
        """The view with blank pictures in the place of the modalities."""
        return view | {n: self._blank(self.known[n], view[n]) for n in self.names}

    @staticmethod
    def _blank(modality: Modality, picture: np.ndarray) -> np.ndarray:
        return np.full_like(picture, modality.filling(modality.blank, picture.dtype))


def evaluate_run(
    source: str | Path,
    split: str | None = None,
    scales: tuple[float, ...] = (1.0,),
    flip: bool = False,
    without: tuple[str, ...] = (),
    views: int | None = None,
    settings: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Scores the best model of a run folder, a `.keras` file or a preset.

    Args:
        source: see `cen_keras.training.sources.open_source`.
        split: of the data set; None = the recipe's.
        scales: sizes at which every picture is tested; the probabilities are averaged.
        flip: whether every picture is tested mirrored as well.
        without: modalities that every view lacks: blank (`Modality.blank`) before they are normalised.
        views: of generated rooms, so many; None = as many as the recipe says.
        settings: `key=value` changes of the recipe, as where the data lie now.
        progress: called with how many of how many batches were read.

    Returns:
        `run`, `recipe`, `task`, `split`, `images`, `without`; what the task's `score` finds,
        `streams` among it; `exchange`: see `exchange_rate`; `skipped_frames`: those that could not
        be read -> why.

    Raises:
        InputError: the source or the data are not what they should be, the data's classes are not
            the model's, an unknown modality, or `views` of pictures that are not generated.
    """
    recipe, load = open_source(source)
    recipe = apply_settings(recipe, settings)
    if not recipe.data:
        raise InputError(
            f"{source} is a model alone; say what it is scored on, for instance --set "
            "data.name=frames --set data.root=FOLDER."
        )
    task = task_of(recipe)
    split = split or recipe.evaluation.split
    if views is not None:
        if recipe.data.get("name") != "rooms":
            raise InputError(
                f"--views {views}: the data set {recipe.data.get('name')!r} of {source} has the "
                "views that it has; only rooms are generated."
            )
        recipe = dataclasses.replace(recipe, data={**recipe.data, split: views})
    model = load()
    unknown = [name for name in without if name not in model.modalities]
    if unknown:
        raise InputError(
            f"--without {unknown[0]}: {source} has no such modality, only "
            f"{', '.join(model.modalities)}."
        )
    from cen_keras.metrics.exchange_rate import exchange_rate

    loader = task.open_loader(_with_classes(recipe, model), split, training=False)
    loader.augment = Without(tuple(without), loader.descriptions) if without else None
    loader.progress = progress
    try:
        _check_classes(source, model, loader)
        scores = task.score(recipe, model, loader, scales, flip)
    finally:
        loader.close()
    return {
        "run": str(source),
        "recipe": recipe.name,
        "task": recipe.task,
        "split": split,
        "images": len(loader.views),
        "without": list(without),
        **scores,
        "exchange": exchange_rate(model),
        "skipped_frames": dict(sorted(loader.skipped.items())),
    }


def _check_classes(source: Any, model: Any, loader: Any) -> None:
    """Refuses to compare a model's classes by their numbers with those of other names."""
    if not hasattr(model, "classes"):
        return
    own, theirs = model.classes.names, tuple(loader.views.classes)
    named = all(names != classes_of(len(names)).names for names in (own, theirs))
    if not named or len(own) != len(theirs) or own == theirs:
        return
    number = next(i for i, (a, b) in enumerate(zip(own, theirs, strict=True)) if a != b)
    raise InputError(
        f"class {number} is {own[number]!r} of {source} and {theirs[number]!r} of the data; scores "
        "want the same classes in the same order: give the data those of the model (data.classes of "
        "a folder of one's own), or take a model that was trained on these."
    )


def _with_classes(recipe: Any, model: Any) -> Any:
    """The recipe whose folder of one's own has the model's classes, unless it names some."""
    if (
        recipe.data.get("name") != "frames"
        or "classes" in recipe.data
        or not hasattr(model, "classes")
    ):
        return recipe
    classes = {
        "classes": list(model.classes.names),
        "palette": model.classes.to_config()["colours"],
    }
    return dataclasses.replace(recipe, data={**recipe.data, **classes})
