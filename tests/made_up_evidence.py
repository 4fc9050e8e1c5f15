"""Made-up tables of evidence, in the CSVs' format; nothing in them was measured."""

import csv
from pathlib import Path

SEGMENTATION = ("miou", "mean_accuracy", "pixel_accuracy")
TRANSLATION = ("mae", "rmse", "fid", "kid")
COST = ("parameters", "macs", "exchanged", "layers_exchanging", "steps", "seconds")
COST += ("processor_seconds", "commit", "digest", "command", "hardware", "backend", "time")
SIZE = {"average": 1_005_002, "concat": 1_050_002, "attention": 1_200_002, "align": 1_005_002}
SIZE |= {"rgb": 1_000_000, "depth": 1_000_000, "shared_shared": 1_000_001}
SIZE |= {"shared_private": 1_005_002, "cen": 1_005_002, "unshared_unshared": 1_900_000}
JITTER = {1: 0.004, 2: -0.003, 3: -0.001}
"""What a seed does to every row alike; the paired comparison takes it out."""


def write_table(folder: Path, table: str, rows: dict, seeds=(1, 2, 3), noise=0.002, **columns):
    """Writes FOLDER/TABLE.csv.

    Args:
        rows: row -> {output -> {metric: mean}}; or row -> mean, the mIoU of its ensemble. A mean may
            be a list: the scores of the seeds, as they are.
        noise: of a row in a seed, beside `JITTER`, which all rows share.
        columns: what other columns hold, in every line.
    """
    metrics = TRANSLATION if table == "translation" else SEGMENTATION
    more = [name for name in columns if name not in COST]
    head = ("table", "row", "seed", "output", *metrics, *COST, *more)
    with open(folder / f"{table}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, head, lineterminator="\n")
        writer.writeheader()
        for number, (row, outputs) in enumerate(rows.items()):
            if not isinstance(outputs, dict):
                outputs = {"ensemble": {"miou": outputs}}
            for index, seed in enumerate(seeds):
                for output, means in outputs.items():
                    shift = JITTER.get(seed, 0) + noise * ((7 * number + 3 * index) % 5 - 2) / 2
                    scores = {
                        key: mean[index] if isinstance(mean, list | tuple) else mean * (1 + shift)
                        for key, mean in means.items()
                    }
                    recipe = f"rooms{'_translation' * (table == 'translation')}_evidence"
                    command = f"python -m recipes.evidence.run {recipe} --seed {seed}"
                    line = {
                        **{"table": table, "row": row, "seed": seed, "output": output},
                        **{key: f"{score:.6f}" for key, score in scores.items()},
                        **{"parameters": SIZE.get(row, 1_005_002), "macs": 10**9 + 10**7 * number},
                        **{"exchanged": 0.43 if row == "cen" else 0, "layers_exchanging": 4},
                        **{"steps": 400, "seconds": 80, "processor_seconds": 150},
                        **{
                            "commit": "0123abc",
                            "digest": "0123456789ab",
                            "hardware": "2 cores",
                            "backend": "tensorflow 2.21",
                        },
                        **{"time": f"2026-01-0{seed} {recipe} {row}"},
                        "command": command + ("" if row == "cen" else f" --set name={row}"),
                    }
                    writer.writerow(line | columns)


BASELINES = {
    "rgb": {"rgb": {"miou": 0.25}, "ensemble": {"miou": 0.25}},
    "depth": {"depth": {"miou": 0.27}, "ensemble": {"miou": 0.27}},
    "average": 0.45,
    "concat": 0.47,
    "attention": 0.46,
    "align": 0.40,
    "cen": {"rgb": {"miou": 0.49}, "depth": {"miou": 0.48}, "ensemble": {"miou": 0.5}},
}
ABLATION = {
    "unshared_unshared": 0.42,
    "shared_shared": 0.40,
    "shared_private": 0.44,
    "shared_private_l1half": 0.435,
    "cen": 0.5,
    "shared_private_l1all": 0.47,
}


def translations(cen_fid=60.0, cen_kid=0.016) -> dict:
    """Rows of the table of translation; of the baselines concat is the best."""
    others = {"average": 80.6, "concat": 78.8, "attention": 79.9, "align": 92.3}
    rows = {
        row: {"ensemble": {"mae": fid / 500, "rmse": fid / 300, "fid": fid, "kid": fid / 2500}}
        for row, fid in others.items()
    }
    cen = {"mae": 0.11, "rmse": 0.2, "fid": cen_fid, "kid": cen_kid}
    return {**rows, "cen": {"ensemble": cen}}


def write_swept(folder: Path, table: str, setting: str, values: dict[str, str | None]):
    """Writes a table whose rows differ in one setting of the model; None is the recipe's own.

    Each row exchanges 20 % more than the one before it, and is 2 points better.
    """
    text = ""
    for number, (row, value) in enumerate(values.items()):
        command = "python -m recipes.evidence.run rooms_evidence"
        command += f" --set model.fusion.{setting}={value}" if value else ""
        share = 0.2 * number
        write_table(folder, table, {row: 0.4 + share / 10}, command=command, exchanged=share)
        lines = (folder / f"{table}.csv").read_text().splitlines(keepends=True)
        text += "".join(lines[1:] if text else lines)
    (folder / f"{table}.csv").write_text(text)
