"""cen_edge_m with one decoder for both streams: what joining costs, from the weights of cen_edge_m_rooms.

    python -m recipes.train rooms_edge_m_joined                                        # joined at P5
    python -m recipes.train rooms_edge_m_joined --set model.decoder_options.join=P3 --run runs/joined_p3
    python -m recipes.train rooms_edge_m_joined --set model.decoder_options.join=null --run runs/apart

The decoder that was trained on each stream reads their mean instead, so it needs some steps to get used to it; the
last line gives separate decoders the same steps. Scores and times: `docs/measurements/join.csv`.
"""

import dataclasses

from recipes.segmentation.rooms_edge_m import RECIPE as ROOMS_EDGE_M

RECIPE = ROOMS_EDGE_M.derive(
    "rooms_edge_m_joined",
    pretrained="preset:cen_edge_m_rooms",
    model={"decoder_options": {"join": "P5"}},
    optimizer=dataclasses.replace(ROOMS_EDGE_M.optimizer, learning_rate=1e-3, warmup_steps=20),
    epochs=1,
    evaluation=dataclasses.replace(ROOMS_EDGE_M.evaluation, every=1),
)
