"""The tables of real pictures: the same comparisons from ImageNet weights, on NYUDv2."""

import json
from typing import Any

from recipes.evidence.experiments.cells import only
from recipes.evidence.experiments.tables import AGAINST_CEN, CEN, Row, Table, paper_tables

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
    "sparsity": Table(
        "the weight lambda of the penalty: the score against the share that is exchanged",
        RECIPE,
        {
            "0": Row("lambda 0", ("model.fusion.sparsity=0.0",)),
            "0.0003": Row("lambda 0.0003", ("model.fusion.sparsity=0.0003",)),
            "cen": CEN,
            "0.003": Row("lambda 0.003", ("model.fusion.sparsity=0.003",)),
            "0.01": Row("lambda 0.01", ("model.fusion.sparsity=0.01",)),
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
