"""Where the baselines' streams meet: behind stages of an encoder, in one of the paper's two protocols."""

from typing import Any

from cen_keras.baselines.sharing import layer_has_weights
from cen_keras.fusion import Fusion
from cen_keras.lookup import look_up

STAGES = ("early", "middle", "late", "all")
PROTOCOLS = ("same_setting", "common")


def stages_of(stage: str, count: int) -> tuple[int, ...]:
    """Returns at which of an encoder's stages, counted from 1, the streams meet."""
    return {
        "early": (1,),
        "middle": ((count + 1) // 2,),
        "late": (count,),
        "all": tuple(range(1, count + 1)),
    }[stage]


class AtStages(Fusion):
    """Base of the strategies whose streams meet behind stages.

    Args:
        stage: "early" (behind the first), "middle", "late" (the last) or "all".
        protocol: "same_setting": shared filters, private norms, every stream to the end. "common": filters of its own
            for each modality.
        **options: of `Fusion`.

    Raises:
        InputError: an unknown stage or protocol.
    """

    def __init__(self, stage: str = "all", protocol: str = "same_setting", **options: Any):
        super().__init__(**options)
        look_up(dict.fromkeys(STAGES), stage, "stage")
        look_up(dict.fromkeys(PROTOCOLS), protocol, "protocol")
        self.stage = stage
        self.protocol = protocol

    def filters(self, layer, names, copy):
        """Returns shared filters, or in the common protocol a copy for each stream."""
        if self.protocol == "common" and len(names) > 1 and layer_has_weights(layer):
            return {name: copy(f"_{name}") for name in names}
        return super().filters(layer, names, copy)
