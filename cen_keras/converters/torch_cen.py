"""The CEN authors' PyTorch checkpoints: into our models and back.

    torch_cen.load("model-best.pth.tar", model)  # or a mapping of names to arrays or tensors
    torch_cen.save(model, "ours.pth.tar")

A Translator has two files: give the Translator itself, or its `generator` or `discriminator`.

Names are paired one by one in the table of each kind of model; see `cen_keras.converters.pairs`.
"""

import logging
import os
from collections.abc import Callable, Mapping

import keras
import numpy as np

from cen_keras.converters import torch_cen_translation as translation
from cen_keras.converters.checkpoint_file import read_checkpoint, write_checkpoint
from cen_keras.converters.pairs import PARALLEL, Pair, load_pairs, save_pairs, state_dict_of
from cen_keras.converters.torch_cen_segmentation import describe, segmenter_pairs
from cen_keras.errors import InputError
from cen_keras.models import Segmenter, Translator
from cen_keras.models.generator import Generator
from cen_keras.models.patch_gan import PatchDiscriminator

logger = logging.getLogger(__name__)

# Class of a model -> its pairs, the name under which the official checkpoint files keep the state
# dict (None: the file is the state dict), and a function that describes a state dict in an error.
TABLES: dict[
    type, tuple[Callable[[keras.Model], list[Pair]], str | None, Callable[[Mapping], str]]
] = {
    Segmenter: (segmenter_pairs, "segmenter", describe),
    Generator: (translation.generator_pairs, None, translation.describe),
    PatchDiscriminator: (translation.discriminator_pairs, None, translation.describe),
}


def _table(model: keras.Model):
    for kind, table in TABLES.items():
        if isinstance(model, kind):
            return table
    if isinstance(model, Translator):
        raise InputError(
            "a Translator is two networks with a file each; give its .generator or .discriminator."
        )
    known = ", ".join(kind.__name__ for kind in TABLES)
    raise InputError(
        f"no official counterpart of a {type(model).__name__}; there are tables for: {known}."
    )


def load(
    source: str | os.PathLike | Mapping, model: keras.Model, name: str = "the state dict"
) -> None:
    """Loads an official checkpoint into a model; all of it or, on any mismatch, nothing.

    Args:
        source: path of a checkpoint file, or a mapping of names to arrays or tensors (the state
            dict itself or the whole checkpoint). A file is read without executing anything it says;
            a mapping needs no torch.
        model: a model of the same architecture, number of modalities and classes. The order of its
            modalities is the official one: modality 0 takes `bn_0`. A Translator takes either of
            its files; the names in it tell which part it is.
        name: what errors call a mapping; a file is called by its path.

    Raises:
        InputError: the file cannot be read safely, or its tensors are not exactly the model's; it
            lists which.
        FileNotFoundError: there is no such file.
    """
    if not isinstance(source, Mapping):
        name = str(source)
        source = read_checkpoint(source)
    if isinstance(model, Translator):
        model = translation.part_of(model, state_dict_of(source, None, name))
    make_pairs, entry, describe_state = _table(model)
    state = state_dict_of(source, entry, name)
    load_pairs(make_pairs(model), state, name, hint=describe_state(state))
    scope = getattr(getattr(model, "fusion", None), "scope", "all")
    if scope != "all" and len(model.modalities) > 1:
        logger.warning(
            "the official code exchanges every channel below the threshold, this model only those "
            'of a modality\'s own part; build it with fusion=Exchange(scope="all") to compute what the '
            "authors computed"
        )


def state_dict(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns the official state dict of a model as NumPy arrays, in the official order.

    Tensors that our forward pass does not read (counters, unused norms) are as PyTorch creates
    them.
    """
    return save_pairs(_table(model)[0](model))


def save(model: keras.Model, path: str | os.PathLike, parallel: bool = True) -> None:
    """Writes a checkpoint that the official code loads.

    Args:
        model: a model that `load` takes.
        path: file to write; it is either whole or absent.
        parallel: put DataParallel's prefix before every name of a segmentation checkpoint, as the
            official files have it and the official evaluation expects it. Translation checkpoints
            never have one.

    Raises:
        InputError: no counterpart of the model, or torch is not installed.
    """
    entry = _table(model)[1]
    state = state_dict(model)
    if entry is None:
        write_checkpoint(path, state)
        return
    if parallel:
        state = {PARALLEL + key: value for key, value in state.items()}
    write_checkpoint(path, {entry: state, "epoch_start": 0, "best_val": 0.0})
