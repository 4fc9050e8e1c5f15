"""Packs a trained run as a preset: `python -m recipes.pack RUN NAME --about "..." [--note "..."]`.

Writes the weights and their card into the package (`cen_keras/models/weights`), from where
`Segmenter.from_preset(NAME)` reads them. The card holds the scores of the packed weights, measured
anew on a split that had no part in the training, with every modality and with each one gone.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import atomic_path, write_json
from cen_keras.modalities import READY
from cen_keras.quiet import import_keras
from cen_keras.training import console as consoles
from cen_keras.training.run_folder import load_best, read_json
from cen_keras.training.segmentation import Recipe
from recipes.evaluate import evaluate_run
from recipes.listing import all_recipes, recipe_of

MOST_WEIGHTS = 24_000_000
"""Bytes. The package stays small: all weights in it together."""

PLACES = ("root", "train_list", "val_list", "test_list")
"""Keys of a data set's spec that name files."""


def pack(run: Path, name: str, about: str, note: str, split: str, folder: Path) -> dict[str, Any]:
    """Writes NAME.npz and NAME.json.

    Args:
        run: a finished run.
        name: of the preset.
        about: one sentence.
        note: how it was trained, for the card.
        split: on which the packed weights are scored.
        folder: where the two files go.

    Returns:
        the card.

    Raises:
        InputError: the folder is no finished run, 8-bit artifacts of the weights before are in the
            package, or the weights do not fit it.
    """
    older = folder / "int8" / name
    if older.exists():
        raise InputError(
            f"{older}: holds 8-bit artifacts of the weights packed before, which would no longer be "
            "theirs; delete the folder, and make them anew from the packed weights "
            f"(`python -m deploy qat preset:{name}`)."
        )
    import_keras()
    import keras

    from cen_keras.models.presets import arguments_of
    from cen_keras.models.weight_files import load_weights, save_weights

    recipe = Recipe.from_json(read_json(run / "recipe.json"), str(run / "recipe.json"))
    data = read_json(run / "data.json")
    done = read_json(run / "scores.json")
    model = load_best(run)
    path = folder / f"{name}.npz"
    # What is there of that name stays until the new one is whole and scored.
    packed = run / "packed"
    packed.mkdir(exist_ok=True)
    fresh = packed / "weights.npz"
    checksum = save_weights(model, fresh)
    others = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and f != path)
    size = fresh.stat().st_size
    if others + size > MOST_WEIGHTS:
        raise InputError(
            f"{path}: makes {(others + size) / 1e6:.1f} MB of weights in all, at most "
            f"{MOST_WEIGHTS / 1e6:.0f} fit the package; pack a smaller model."
        )
    # Scored as they will be read, rounded and all.
    load_weights(model, fresh, checksum)
    model.save(packed / "best.keras")
    write_json(packed / "recipe.json", recipe.to_json())
    write_json(packed / "data.json", data)
    streams = [*model.streams, "ensemble"]
    scores, per_class = {}, {}
    for without in ((), *((m,) for m in model.modalities if len(model.modalities) > 1)):
        found = evaluate_run(packed, split, without=without)
        key = f"without_{without[0]}" if without else "all"
        scores[key] = {s: round(found["streams"][s]["miou"], 4) for s in streams}
        per_class = per_class or {
            name: None if part["iou"] is None else round(part["iou"], 4)
            for name, part in found["streams"]["ensemble"]["per_class"].items()
        }
    # Pictures are rendered when asked for: a user's first command need not fill a cache.
    dataset = {key: value for key, value in data["dataset"].items() if key != "cache"}
    if recipe.name in all_recipes():
        # Where the data lay on this machine is nobody's business: the card names the recipe's own places.
        own = recipe_of(recipe.name).data
        dataset.update({key: own[key] for key in PLACES if key in dataset and key in own})
    arguments = arguments_of(model)
    described = [_as_cameras_count(entry) for entry in arguments["modalities"]]
    card = {
        "about": about,
        "model": {**arguments, "modalities": described},
        "image_shape": data["image_shape"],
        "parameters": model.count_params(),
        "sha256": checksum,
        "bytes": size,
        "scores": {
            "split": split,
            "images": found["images"],
            "miou": scores,
            "per_class": per_class,
        },
        "exchange": found["exchange"]["share_of_penalised"],
        "training": {
            "recipe": recipe.name,
            "steps": recipe.epochs * recipe.epoch_steps if recipe.epoch_steps else None,
            "batch": recipe.batch,
            "optimizer": dataclasses.asdict(recipe.optimizer),
            "augmentation": recipe.augmentation,
            "best_epoch": done.get("best_epoch"),
            "keras": keras.__version__,
            "note": note,
        },
        "data": dict(
            data, dataset=dataset, descriptions={entry["name"]: entry for entry in described}
        ),
    }
    with atomic_path(path) as temporary:
        temporary.write_bytes(fresh.read_bytes())
    write_json(folder / f"{name}.json", card)
    return card


def _as_cameras_count(described: dict[str, Any]) -> dict[str, Any]:
    """Returns a modality's config with the usual unit of its files, millimetres for depth.

    A data set states its own (NYUDv2's lists have fifths of them); a preset is for anybody's.
    """
    usual = READY.get(described["name"])
    return {**described, "unit_per_count": usual.unit_per_count} if usual else described


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.pack", description="Pack a trained run as a preset."
    )
    parser.add_argument("run", type=Path, help="run folder that recipes.train finished")
    parser.add_argument("name", help="of the preset, for instance cen_edge_m_rooms")
    parser.add_argument("--about", required=True, help="one sentence for the card")
    parser.add_argument("--note", default="", help="how it was trained: hardware, time")
    parser.add_argument("--split", default="test", help="to score the weights on (default: test)")
    parser.add_argument("--json", metavar="FILE", help="write the card here too; - for stdout")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    options = make_parser().parse_args(arguments)

    def command():
        from cen_keras.models.presets import WEIGHTS

        console = consoles.console_for(options.json)
        card = pack(options.run, options.name, options.about, options.note, options.split, WEIGHTS)
        console.print(
            f"{options.name}: {card['parameters']:,} parameters in {card['bytes'] / 1e6:.2f} MB",
            soft_wrap=True,
        )
        for key, scores in card["scores"]["miou"].items():
            values = "  ".join(f"{s} {consoles.percent(v)}" for s, v in scores.items())
            console.print(f"mIoU %, {key.replace('_', ' ')}: {values}", soft_wrap=True)
        consoles.write_result(card, options.json)
        return 0

    return consoles.run_command(command)


if __name__ == "__main__":
    sys.exit(main())
