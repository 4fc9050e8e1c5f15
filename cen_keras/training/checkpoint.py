"""Everything a run needs to go on, in one file that is either whole or absent.

Keras' `.weights.h5` holds neither seed-generator states nor where the run stood, and two files
written after each other can disagree after a crash. Here one `.npz`, replaced atomically, holds the
weights, the optimiser's variables, the seed states (dropout) and a small JSON note. It is read
without pickle, so a file from elsewhere cannot run code.
"""

import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import atomic_path

FORMAT = 1
NOTE = "note"
SHOWN = 8
"""How many differences an error message lists."""


def _named(prefix: str, variables: list, first: int) -> Iterator[tuple[str, object]]:
    """Yields (name, variable), a path's parts from `first` on; repeated names are numbered."""
    seen = {}
    for variable in variables:
        name = "/".join([prefix, *variable.path.split("/")[first:]])
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name}#{seen[name]}"), variable


def state_variables(model: keras.Model) -> dict[str, object]:
    """Returns name -> variable of all that a training step may change.

    Names are the variables' paths, `weights/stem_conv/kernel`, without what Keras numbers by the
    order of creation in the process: an optimiser's own name, and seed generators, which are named
    after the layer that owns them. On torch, Keras draws the masks of a Dropout without a seed from
    torch's own generator, whose state is not here: give such layers a seed, as this package does.
    """
    variables = dict(_named("weights", model.weights, 0))
    weights = {id(weight) for weight in model.weights}
    for layer in model.layers:
        seeds = [variable for variable in layer.variables if id(variable) not in weights]
        variables.update({f"seeds/{layer.name}/{i}": seed for i, seed in enumerate(seeds)})
    for name, optimizer, trained in _optimizers(model):
        # A LossScaleOptimizer that is built again gets its scale twice, anew.
        if not optimizer.built:
            optimizer.build(trained)
        # The last part alone: how an optimiser within an optimiser is named depends on who built
        # it, `fit` or we.
        variables.update(_named(name, optimizer.variables, -1))
    return variables


def _optimizers(model: keras.Model) -> list:
    """Returns (name, optimiser, the variables it updates); a model may have several (`optimizers`)."""
    if getattr(model, "optimizer", None) is None:
        return []
    if hasattr(model, "optimizers"):
        return model.optimizers()
    return [("optimizer", model.optimizer, model.trainable_variables)]


def save_checkpoint(path: str | os.PathLike, model: keras.Model, note: dict) -> None:
    """Writes a model's whole training state, replacing `path` atomically.

    Args:
        path: a `.npz` file.
        model: a built, usually compiled model.
        note: JSON-able facts about the run, for instance `{"epoch": 3}`.

    Raises:
        OSError: the file cannot be written; `path` is then as it was.
    """
    arrays = {}
    for name, variable in state_variables(model).items():
        array = keras.ops.convert_to_numpy(variable)
        # NumPy stores no bfloat16; float32 holds every value of it.
        arrays[name] = array if array.dtype.kind in "biuf" else array.astype("float32")
    arrays[NOTE] = np.array(json.dumps({"format": FORMAT, **note}))
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)


def read_checkpoint(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict]:
    """Reads (name -> array, note) of a checkpoint.

    Raises:
        InputError: `path` is not a whole checkpoint of this format.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        note = json.loads(str(arrays.pop(NOTE)))
        number = note.pop("format")
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a whole checkpoint ({error}). Delete it to start the run again, or "
            "put back a copy."
        ) from error
    if number != FORMAT:
        raise InputError(
            f"{path} has checkpoint format {number}, this version reads {FORMAT}. Use the version "
            "of cen_keras that wrote it, or delete it to start again."
        )
    return arrays, note


def load_checkpoint(path: str | os.PathLike, model: keras.Model) -> dict:
    """Puts a checkpoint's state into a model that was built and compiled as the saved one.

    Nothing is assigned unless everything fits.

    Returns:
        The note given to `save_checkpoint`.

    Raises:
        InputError: the file is not a whole checkpoint, or does not fit; the message lists what
            differs.
        FileNotFoundError: there is no such file.
    """
    arrays, note = read_checkpoint(path)
    variables = state_variables(model)
    differences = [f"{name} is missing in the file" for name in variables if name not in arrays]
    differences += [f"{name} is not in the model" for name in arrays if name not in variables]
    for name in variables.keys() & arrays.keys():
        found, wanted = arrays[name].shape, tuple(variables[name].shape)
        if found != wanted:
            differences.append(f"{name} has shape {found} in the file, {wanted} in the model")
    if differences:
        more = len(differences) - SHOWN
        # What differs in the optimiser follows from the weights, so these come first.
        differences.sort(key=lambda text: (not text.startswith("weights/"), text))
        listed = "; ".join(differences[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(
            f"{path} does not fit the model: {listed}. Use the recipe the run was started "
            "with, or another run folder."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return note
