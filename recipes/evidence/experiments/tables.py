"""The tables of the evidence as data: what each row changes of its table's recipe."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from cen_keras.errors import InputError, suggestion
from recipes.evidence.experiments.cells import Cell, only

SEGMENTATION = ("miou", "mean_accuracy", "pixel_accuracy")
TRANSLATION = ("mae", "rmse", "fid", "kid")


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        description: what it is, for people.
        settings: `key=value`, as `recipes.train --set` takes them.
    """

    description: str
    settings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Table:
    """Nets that are compared with each other.

    Attributes:
        title: what the table shows.
        recipe: name of the recipe that all rows change.
        rows: name -> row, in the order in which they are shown.
        metrics: columns of scores.
    """

    title: str
    recipe: str
    rows: dict[str, Row]
    metrics: tuple[str, ...] = SEGMENTATION


def fusion(method: str, **options: Any) -> tuple[str, ...]:
    """Returns the setting of a fusion, for instance `fusion("concat", stage="early")`.

    Its scales start as those of CEN.
    """
    section = {"name": method, "gamma_initializer": 0.3, **options}
    return (f"model.fusion={json.dumps(section)}",)


CEN = Row("CEN: shared filters, private norms, penalty and exchange in each modality's own part")
APART = Row("shared filters, private norms; no penalty, no exchange", fusion("none"))

UNSHARED = Row(
    "filters and norms of its own for each modality",
    fusion("none", private_filters=True),
)

AGAINST_CEN = {
    "average": "mean of the streams behind every stage",
    "concat": "concatenation and a 1x1 convolution behind every stage",
    "attention": "SSMA's gated concatenation behind every stage",
    "align": "streams apart, a penalty on the discrepancy of their features at every stage",
}
FUSIONS = {name: Row(description, fusion(name)) for name, description in AGAINST_CEN.items()}


def paper_tables(
    recipe: str, fusion: Callable[..., tuple[str, ...]], alone: Callable[[str], tuple[str, ...]]
) -> dict[str, Table]:
    """Returns the paper's two comparisons in segmentation.

    Args:
        recipe: name of the recipe that all rows change.
        fusion: method and options -> settings.
        alone: modality -> settings of the net that takes no other.
    """
    return {
        "baselines": Table(
            "CEN against each modality alone and the other ways of fusion, in the same setting",
            recipe,
            {
                "rgb": Row("colour alone", alone("rgb")),
                "depth": Row("depth alone", alone("depth")),
                **{name: Row(text, fusion(name)) for name, text in AGAINST_CEN.items()},
                "cen": CEN,
            },
        ),
        "ablation": Table(
            "what filters, norms, penalty and exchange each do (the paper's table)",
            recipe,
            {
                "unshared_unshared": Row(
                    UNSHARED.description, fusion("none", private_filters=True)
                ),
                "shared_shared": Row(
                    "shared filters, shared norms", fusion("none", shared_norms=True)
                ),
                "shared_private": Row(APART.description, fusion("none")),
                "shared_private_l1half": Row(
                    "and the penalty on each modality's own part, without exchange",
                    ("model.fusion.threshold=null",),
                ),
                "cen": CEN,
                "shared_private_l1all": Row(
                    "penalty and exchange on all channels",
                    ("model.fusion.sparsity_scope=all", "model.fusion.scope=all"),
                ),
            },
        ),
    }


def filters_table(recipe: str, fusion: Callable[..., tuple[str, ...]]) -> Table:
    """Returns what filters of its own for each modality change; arguments as of `paper_tables`."""
    return Table(
        "what shared filters cost this small net, without the exchange and with it",
        recipe,
        {
            "shared": Row(APART.description, fusion("none")),
            "unshared": Row(UNSHARED.description, fusion("none", private_filters=True)),
            "cen": CEN,
            "cen_unshared": Row(
                "CEN with filters of its own for each modality",
                ("model.fusion.private_filters=true",),
            ),
        },
    )


PENALTIES = {
    "none": ("no", ("model.fusion.sparsity=0.0",)),
    "part": ("its own part of the", ()),
    "all": ("all", ("model.fusion.sparsity_scope=all",)),
}
EXCHANGES = {
    "none": ("none", ("model.fusion.threshold=null",)),
    "part": ("its own part", ()),
    "all": ("all", ("model.fusion.scope=all",)),
}

LONGER = {"none": APART, "concat": FUSIONS["concat"], "cen": CEN}
"""What is also trained four times as long."""

LITTLE = "0.002"
"""A sparsity with which some channels are left to choose from."""

SHARE = 0.7
"""Of the penalised channels; about what CEN ends with at that sparsity: 62 % after 400 steps, 81 %
after 800 (seed 0)."""


def _rendered(*names: str) -> tuple[str, ...]:
    """Returns the settings of modalities that the recipe's rooms are not rendered in."""
    return (*only(*names), f"data.domains={json.dumps((*names, 'label'))}")


def numbers(key: str, values: dict[str, str], prefix: str) -> dict[str, Row]:
    """Returns rows that set one key: name -> its value, said behind `prefix`."""
    return {name: Row(f"{prefix} {text}", (f"{key}={text}",)) for name, text in values.items()}


TABLES = {
    **paper_tables("rooms_evidence", fusion, only),
    "extent": Table(
        "how far penalty and exchange reach: no channels, a modality's own part, or all",
        "rooms_evidence",
        {
            f"penalty_{penalty}_exchange_{exchange}": (
                CEN
                if (penalty, exchange) == ("part", "part")
                else Row(
                    f"penalty on {PENALTIES[penalty][0]} channels, exchange in "
                    f"{EXCHANGES[exchange][0]}",
                    (*PENALTIES[penalty][1], *EXCHANGES[exchange][1]),
                )
            )
            for penalty in PENALTIES
            for exchange in EXCHANGES
        },
    ),
    "stages": Table(
        "where the other ways of fusion meet, in the same setting",
        "rooms_evidence",
        {
            f"{method}_{stage}": (
                FUSIONS[method]
                if stage == "all"
                else Row(f"{method}, {stage} stage", fusion(method, stage=stage))
            )
            for method in ("concat", "attention", "align")
            for stage in ("early", "middle", "late", "all")
        },
    ),
    "common": Table(
        "the other ways of fusion as they are commonly used: private filters, one trunk behind the "
        "fusion (align: two nets)",
        "rooms_evidence",
        {
            name: Row(f"{description}; common protocol", fusion(name, protocol="common"))
            for name, description in AGAINST_CEN.items()
        }
        | {"cen": CEN},
    ),
    "threshold": Table(
        "the threshold theta, below which a channel is exchanged",
        "rooms_evidence",
        {
            "none": Row("no exchange; the penalty alone", ("model.fusion.threshold=null",)),
            **numbers("model.fusion.threshold", {"0.005": "0.005"}, "theta"),
            "cen": CEN,
            **numbers("model.fusion.threshold", {"0.05": "0.05", "0.1": "0.1"}, "theta"),
        },
    ),
    "sparsity": Table(
        "the weight lambda of the penalty on the scales",
        "rooms_evidence",
        {
            **numbers(
                "model.fusion.sparsity", {"0": "0.0", "0.002": "0.002", "0.005": "0.005"}, "lambda"
            ),
            "cen": CEN,
            **numbers("model.fusion.sparsity", {"0.05": "0.05"}, "lambda"),
        },
    ),
    "filters": filters_table("rooms_evidence", fusion),
    "steps": Table(
        "how long the nets are trained: whether a difference is one of speed",
        "rooms_evidence",
        {
            **LONGER,
            **{
                f"{name}_2400": Row(
                    f"{row.description}; 2400 steps",
                    (*row.settings, "epochs=24", "evaluation.every=24"),
                )
                for name, row in LONGER.items()
            },
        },
    ),
    "criteria": Table(
        "what decides which channels are exchanged; the share is the one that CEN ends with",
        "rooms_evidence",
        {
            "gamma": Row("CEN with little sparsity", (f"model.fusion.sparsity={LITTLE}",)),
            **{
                criterion: Row(
                    description,
                    fusion("criterion", criterion=criterion, threshold=SHARE),
                )
                for criterion, description in (
                    ("random", "channels drawn once and for all, no penalty"),
                    ("variance", "channels of the least moving variance, no penalty"),
                )
            },
        },
    ),
    "modalities": Table(
        "one to four modalities",
        "rooms_evidence",
        {
            "rgb": Row("colour alone", only("rgb")),
            "rgb_depth": CEN,
            "rgb_depth_normal": Row(
                "colour, depth and normals", _rendered("rgb", "depth", "normal")
            ),
            "rgb_depth_normal_edge": Row(
                "colour, depth, normals and edges",
                _rendered("rgb", "depth", "normal", "edge_texture"),
            ),
        },
    ),
    "translation": Table(
        "the paper's first translation, shading and edges to colour",
        "rooms_translation_evidence",
        {
            "reshading": Row("shading alone", only("reshading")),
            "edge_texture": Row("edges alone", only("edge_texture")),
            "none": APART,
            **FUSIONS,
            # Beside 100 times L1 the default weight would be none.
            "align": Row(AGAINST_CEN["align"], fusion("align", weight=2.0)),
            "cen": CEN,
        },
        TRANSLATION,
    ),
}


def cells_of(table: Table, seed: int, rows: tuple[str, ...] = ()) -> dict[str, Cell]:
    """Returns row name -> cell of a table, of the named rows only if any is named.

    Raises:
        InputError: a row that the table does not have.
    """
    for name in rows:
        if name not in table.rows:
            raise InputError(
                f"row {name!r} is unknown{suggestion(name, table.rows)}; known: "
                f"{', '.join(table.rows)}."
            )
    return {
        name: Cell(table.recipe, row.settings, seed)
        for name, row in table.rows.items()
        if not rows or name in rows
    }
