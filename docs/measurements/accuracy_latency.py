"""Draws accuracy_latency.png from accuracy_latency.csv: python docs/measurements/accuracy_latency.py"""

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
MARKS = {"measured": "o", "published": "s"}


def main():
    """One point a network; the time is measured, the score measured or published."""
    with (HERE / "accuracy_latency.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for kind, mark in MARKS.items():
        found = [row for row in rows if row["score"] == kind]
        x, y = ([float(row[key]) for row in found] for key in ("int8_ms", "miou"))
        axes.scatter(x, y, marker=mark, s=50, label=f"score {kind}")
        for row, *point in zip(found, x, y, strict=True):
            axes.annotate(row["network"], point, xytext=(6, 4), textcoords="offset points")
    axes.set_xscale("log")
    axes.set_xlim(right=3 * max(float(row["int8_ms"]) for row in rows))
    axes.set_xlabel(f"milliseconds of a frame, int8, LiteRT, one thread ({rows[0]['processor']})")
    axes.set_ylabel("mIoU of NYUDv2's 40 classes, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(HERE / "accuracy_latency.png", dpi=120)


if __name__ == "__main__":
    main()
