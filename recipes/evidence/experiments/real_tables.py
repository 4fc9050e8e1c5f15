"""The tables of real pictures: the same comparisons from ImageNet weights, on NYUDv2."""

import json
from typing import Any

from recipes.evidence.experiments.cells import only
from recipes.evidence.experiments.tables import (
    AGAINST_CEN,
    CEN,
    Row,
    Table,
    filters_table,
    numbers,
    paper_tables,
)

RECIPE = "nyudv2_evidence"


def fusion(method: str, **options: Any) -> tuple[str, ...]:
    """Returns the settings of a fusion without a penalty."""
    return (
        f"model.fusion={json.dumps({'name': method, **options})}",
        "optimizer.scale_learning_rate=null",
    )


def alone(modality: str) -> tuple[str, ...]:
    """Returns the settings of one modality."""
    return (*only(modality), *fusion("none"))


AVERAGE = Row(AGAINST_CEN["average"], fusion("average"))

REAL_TABLES = {
    **paper_tables(RECIPE, fusion, alone),
    "filters": filters_table(RECIPE, fusion),
    "share": Table(
        "the score against the share of channels that is exchanged",
        RECIPE,
        {
            **numbers(
                "model.fusion.sparsity",
                {"0": "0.0", "0.0003": "0.0003", "0.0006": "0.0006", "0.0008": "0.0008"},
                "lambda",
            ),
            "cen": CEN,
            **numbers("model.fusion.sparsity", {"0.003": "0.003", "0.01": "0.01"}, "lambda"),
            "faster": Row(
                "CEN with twice the learning rate of the scales",
                ("optimizer.scale_learning_rate=0.01",),
            ),
        },
    ),
    "steps": Table(
        "how long the nets are trained: whether a difference is one of speed",
        RECIPE,
        {
            "average": AVERAGE,
            "cen": CEN,
            **{
                f"{name}_1200": Row(f"{row.description}; 1200 steps", (*row.settings, "epochs=6"))
                for name, row in {"average": AVERAGE, "cen": CEN}.items()
            },
        },
    ),
}
