"""Which channels belong to which modality (CEN Section 3.2): the parts in which penalty and exchange act."""


def own_part(modality: int, modalities: int, channels: int) -> slice:
    """Returns the channels that belong to one modality: [floor(mC/M), floor((m+1)C/M)).

    The parts of all modalities are disjoint and cover the channels; penalty and (scope "subpart") exchange act there.

    Args:
        modality: index m of the modality, 0 <= m < M.
        modalities: number of modalities M.
        channels: number of channels C.
    """
    return slice(
        modality * channels // modalities,
        (modality + 1) * channels // modalities,
    )
