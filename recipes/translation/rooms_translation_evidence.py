"""CEN translates small generated rooms as the paper's first task: shading and edges to colour.

    python -m recipes.evidence translation

Everything but the domains and the number of steps is rooms_translation_tiny's. It is scored once,
when it ends, so that no net is chosen by the views it is scored on.
"""

import dataclasses

from recipes.translation.rooms_translation_tiny import RECIPE as ROOMS_TRANSLATION_TINY

RECIPE = ROOMS_TRANSLATION_TINY.derive(
    "rooms_translation_evidence",
    model={"modalities": ("reshading", "edge_texture"), "target": "rgb"},
    epochs=4,
    evaluation=dataclasses.replace(ROOMS_TRANSLATION_TINY.evaluation, every=4),
)
