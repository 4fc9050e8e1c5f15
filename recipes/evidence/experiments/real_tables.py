"""The tables of real pictures: the same comparisons from ImageNet weights, on NYUDv2."""

import json
from typing import Any

from recipes.evidence.experiments.cells import only
from recipes.evidence.experiments.tables import AGAINST_CEN, Row, Table

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


CEN = Row("CEN: shared filters, private norms, penalty and exchange in each modality's own part")
APART = Row("shared filters, private norms; no penalty, no exchange", fusion("none"))
PENALTY = Row(
    "and the penalty on each modality's own part, without exchange",
    ("model.fusion.threshold=null",),
)

REAL_TABLES = {
    "baselines": Table(
        "CEN against each modality alone and the other ways of fusion, in the same setting",
        RECIPE,
        {
            "rgb": Row("colour alone", alone("rgb")),
            "depth": Row("depth alone", alone("depth")),
            **{name: Row(description, fusion(name)) for name, description in AGAINST_CEN.items()},
            "cen": CEN,
        },
    ),
    "ablation": Table(
        "what filters, norms, penalty and exchange each do (the paper's table)",
        RECIPE,
        {
            "unshared_unshared": Row(
                "filters and norms of its own for each modality",
                fusion("none", private_filters=True),
            ),
            "shared_shared": Row("shared filters, shared norms", fusion("none", shared_norms=True)),
            "shared_private": APART,
            "shared_private_l1half": PENALTY,
            "cen": CEN,
            "shared_private_l1all": Row(
                "penalty and exchange on all channels",
                ("model.fusion.sparsity_scope=all", "model.fusion.scope=all"),
            ),
        },
    ),
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
}
