"""The text of a first recipe for a folder that was surveyed: a file for its owner to read and change."""

import json
from typing import Any

from cen_keras.data.labels import IGNORE
from cen_keras.data.survey import Survey
from cen_keras.data.windows import window_scale
from cen_keras.modalities import READY, Modality
from recipes.segmentation.finetune import RECIPE as FINETUNE
from recipes.segmentation.finetune import WINDOW

PRESET = FINETUNE.pretrained.removeprefix("preset:")
"""What a folder of rgb and depth starts from."""
BATCH, EPOCH_STEPS = 8, 50
LONGEST = 96
"""Characters of a line of the source."""


def recipe_text(survey: Survey, name: str) -> str:
    """Returns the source of a recipe.

    Args:
        survey: of the folder.
        name: of the recipe.
    """
    preset = starts_from_preset(survey)
    views = sum(survey.splits.values())
    about = " and ".join(modality.name for modality in survey.modalities)
    start = f"The weights of {PRESET}; the classifier is fresh." if preset else "Random weights."
    parts = [
        f'"""{survey.spec["root"].replace("/{split}", "")}: {about}, {views} views. {start}',
        "",
        f"    cen train ./{name}.py",
        f"    cen evaluate runs/{name}",
        f"    cen predict runs/{name} FOLDER --out predicted",
        "",
        "Give it more epochs while the loss falls.",
        '"""',
        "",
        "from cen_keras.training.segmentation import Evaluation, Optimizer, Recipe",
        "",
        "RECIPE = Recipe(",
        f"    name={json.dumps(name)},",
        *_section("data", survey.spec),
        *_section("model", _preset_model(survey) if preset else _small_model(survey)),
    ]
    if preset:
        parts.append(f'    pretrained="{FINETUNE.pretrained}",')
    window = window_of(survey.image_shape)
    rate, epochs, warm = ("1e-3", 8, 20) if preset else ("2e-3", 40, 0)
    warmup = f", warmup_steps={warm}" if warm else ""
    parts += [
        f'    optimizer=Optimizer(name="adam", learning_rate={rate}, schedule="cosine"{warmup}),',
        f"    epochs={epochs},",
        f"    epoch_steps={EPOCH_STEPS},",
        f"    batch={min(BATCH, survey.splits['train'])},",
        "    # Windows of this size, cut out of pictures that are resized by a factor of so much: from the",
        "    # whole picture to half its height or width, or to its own pixels, as the net will see it.",
        *_section(
            "augmentation",
            {
                "size": window,
                "scale": window_scale(survey.image_shape, window),
                "mirror": True,
                "colour": 0.2,
                "depth": 0.03,
            },
        ),
    ]
    if survey.ignore != IGNORE:
        parts.append(f"    ignore={survey.ignore},")
    parts += ['    evaluation=Evaluation(split="val", batch=1),', "    workers=1,", ")", ""]
    return "\n".join(parts)


def starts_from_preset(survey: Survey) -> bool:
    """Whether the preset takes these modalities."""
    return tuple(modality.name for modality in survey.modalities) == FINETUNE.model["modalities"]


def window_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Height and width of training windows: multiples of 32, no larger than pictures."""
    usual = WINDOW if shape[1] >= shape[0] else WINDOW[::-1]
    height, width = (
        max(32, min(side, most) // 32 * 32) for side, most in zip(shape, usual, strict=True)
    )
    return height, width


def _preset_model(survey: Survey) -> dict[str, Any]:
    return {"modalities": FINETUNE.model["modalities"], "image_shape": survey.image_shape}


def _small_model(survey: Survey) -> dict[str, Any]:
    return {
        "modalities": tuple(_described(modality) for modality in survey.modalities),
        "image_shape": survey.image_shape,
        "backbone": "mobilenet_s",
        "decoder": "light_refinenet",
        "decoder_options": {"filters": 32, "pooling_stages": 2},
        # A scale that starts at 1 does not reach zero in a short training.
        "fusion": {"name": "exchange", "sparsity": 2e-3, "gamma_initializer": 0.3},
    }


def _described(modality: Modality) -> str | dict[str, Any]:
    """A modality as a recipe says it: its name, and what differs from the ready one of that name."""
    base = READY.get(modality.name) or Modality(modality.name)
    known = base.to_config()
    config = modality.to_config()
    if config["channels"] != known["channels"]:
        known = Modality(modality.name, channels=modality.channels).to_config()
        known["channels"] = None
    changed = {key: value for key, value in config.items() if value != known[key]}
    return {"name": modality.name, **changed} if changed else modality.name


def _section(key: str, value: dict[str, Any]) -> list[str]:
    """The lines of an argument that is a dict, a line for each entry."""
    lines = [
        line
        for name, entry in value.items()
        for line in _entry(f"        {json.dumps(name)}: ", entry)
    ]
    return [f"    {key}={{", *lines, "    },"]


def _entry(start: str, value: Any) -> list[str]:
    """An entry's line; those of its parts where it is too long and has parts."""
    line = f"{start}{_source(value)},"
    if len(line) <= LONGEST or not isinstance(value, dict | list | tuple):
        return [line]
    indent = " " * (len(start) - len(start.lstrip()) + 4)
    opened, closed = (
        ("{", "}") if isinstance(value, dict) else "()" if isinstance(value, tuple) else "[]"
    )
    parts = value.items() if isinstance(value, dict) else ((None, part) for part in value)
    inside = [
        line
        for key, part in parts
        for line in _entry(indent + ("" if key is None else f"{json.dumps(key)}: "), part)
    ]
    return [start + opened, *inside, indent[4:] + closed + ","]


def _source(value: Any) -> str:
    """Source of words, numbers, None, lists, tuples and dicts, with double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_source(k)}: {_source(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        inside = ", ".join(map(_source, value))
        if isinstance(value, list):
            return f"[{inside}]"
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return "1 / 255" if value == 1 / 255 else repr(value)
