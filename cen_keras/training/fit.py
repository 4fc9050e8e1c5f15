"""`model.fit` on a loader whose errors come through."""

import contextlib
from typing import Any


def fit(
    model: Any, loader: Any, batches: Any = None, running: Any = None, **arguments: Any
) -> None:
    """Runs `model.fit` on a loader of `open_loader`, whose errors come through as they were.

    TensorFlow turns what a loader raises into an error of its own, with a stack trace for a text.

    Args:
        model: the compiled model.
        loader: the loader.
        batches: what a distribution makes of it; None for the loader itself.
        running: the distribution's context for `fit`.
        **arguments: of `fit`.
    """
    batches = loader if batches is None else batches
    try:
        with running or contextlib.nullcontext():
            model.fit(batches, shuffle=False, verbose=0, **arguments)
    except Exception as error:
        if loader.error is not None:
            raise loader.error from error
        raise
