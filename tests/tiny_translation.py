"""A Translator so small that its export takes a second."""

from seeded import trained_looking

SIZE = (32, 32)


def translator(modalities=("rgb", "reshading"), **options):
    from cen_keras.fusion import Exchange
    from cen_keras.models import Translator

    model = Translator(
        modalities,
        "normal",
        base_filters=4,
        discriminator_filters=4,
        depth=4,
        fusion=Exchange(threshold=1e-2),
        **options,
    )
    trained_looking(model.generator)
    return model
