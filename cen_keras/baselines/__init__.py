"""What CEN is compared with: strategies with the interface of `cen_keras.Exchange`.

    Segmenter(fusion=Concat(stage="late"))
    Segmenter(fusion=PrivateFilters(Exchange(sparsity=2e-3)))
    Segmenter(fusion={"name": "concat", "stage": "late", "private_filters": True})

aggregation: average, concat, attention. alignment: align. criteria: what the exchange compares. sharing: filters and
norms. The strategy "none" is `cen_keras.fusion.Fusion` itself.
"""

from collections.abc import Mapping
from typing import Any

from cen_keras.baselines.aggregation import FUSED, Attention, Average, Concat
from cen_keras.baselines.alignment import Align
from cen_keras.baselines.criteria import CriterionExchange
from cen_keras.baselines.sharing import PrivateFilters, SharedNorms
from cen_keras.errors import InputError
from cen_keras.fusion import Exchange, Fusion, arguments_of
from cen_keras.lookup import look_up

FUSIONS: dict[str, type[Fusion]] = {
    kind.name: kind
    for kind in (Exchange, Fusion, Average, Concat, Attention, Align, CriterionExchange)
}
"""Strategies by name."""

_AROUND = {kind.key: kind for kind in (PrivateFilters, SharedNorms)}


def options_of(name: str) -> tuple[str, ...]:
    """Returns the names of the options of a strategy.

    Raises:
        InputError: there is none of that name.
    """
    return (*arguments_of(look_up(FUSIONS, name, "fusion")), *_AROUND)


def fusion_of(value: Fusion | str | Mapping[str, Any] | None) -> Fusion:
    """Returns the strategy that a value stands for.

    Args:
        value: a strategy; its name; its config, a dict with "name" and options; or None for "none".

    Raises:
        InputError: an unknown name or option, or a value that makes no sense.
    """
    if value is None or isinstance(value, Fusion):
        return value or Fusion()
    options = {"name": value} if isinstance(value, str) else dict(value)
    name = options.pop("name", None)
    known = options_of(name)
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(
            f"fusion {name!r} has no option {unknown[0]!r}; it has {', '.join(known)}."
        )
    around = [kind for key, kind in _AROUND.items() if options.pop(key, False)]
    fusion = FUSIONS[name](**options)
    for kind in around:
        fusion = kind(fusion)
    return fusion


__all__ = [
    "FUSED",
    "FUSIONS",
    "Align",
    "Attention",
    "Average",
    "Concat",
    "CriterionExchange",
    "PrivateFilters",
    "SharedNorms",
    "fusion_of",
    "options_of",
]
