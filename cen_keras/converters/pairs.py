"""Name pairs: which tensor of a PyTorch state dict is which variable of a Keras model.

A converter is a list of `Pair`. Loading compares the whole list with the whole state dict before it
changes anything: every key on either side is accounted for, or one error lists what is not.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

from cen_keras.errors import InputError

# Layout -> axes that take the Keras weight to PyTorch's, and back. A convolution's kernel is
# (kh, kw, in, out) here and (out, in, kh, kw) there; a transposed convolution's is
# (kh, kw, out, in) here and (in, out, kh, kw) there, so the axes are the same.
TO_TORCH = {"same": None, "conv": (3, 2, 0, 1)}
TO_KERAS = {"same": None, "conv": (2, 3, 1, 0)}
LISTED = 12  # names of each kind that an error spells out
PARALLEL = "module."
"""What PyTorch's DataParallel puts before every name."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One tensor of a state dict and the variable that holds it here.

    Attributes:
        key: name in the state dict.
        shape: its PyTorch shape.
        variable: the Keras variable, or None for a tensor that our forward pass does not read (a
            BatchNorm's counter, a norm the reference creates and never calls).
        layout: a key of `TO_TORCH`.
        fill: value that PyTorch gives the tensor at its creation; written where there is no
            variable.
        dtype: in the state dict.
        optional: loading does without it.
    """

    key: str
    shape: tuple[int, ...]
    variable: keras.Variable | None = None
    layout: str = "same"
    fill: float = 0.0
    dtype: str = "float32"
    optional: bool = False


def pair(key: str, variable: keras.Variable, layout: str = "same") -> Pair:
    """Returns the pair of a variable, its PyTorch shape worked out from the layout."""
    shape = tuple(variable.shape)
    axes = TO_TORCH[layout]
    return Pair(key, shape if axes is None else tuple(shape[a] for a in axes), variable, layout)


def counter(key: str) -> Pair:
    """Returns the pair of a norm's `num_batches_tracked`, which counts nothing that we read."""
    return Pair(key, (), dtype="int64", optional=True)


def conv_pairs(prefix: str, layer: keras.layers.Layer) -> list[Pair]:
    """Returns the kernel and, where there is one, the bias of a (transposed) convolution."""
    pairs = [pair(f"{prefix}.weight", layer.kernel, "conv")]
    if layer.use_bias:
        pairs.append(pair(f"{prefix}.bias", layer.bias))
    return pairs


def norm_pairs(prefix: str, norm: keras.layers.Layer) -> list[Pair]:
    """Returns gamma, beta, statistics and counter of one BatchNormalization."""
    return [
        pair(f"{prefix}.weight", norm.gamma),
        pair(f"{prefix}.bias", norm.beta),
        pair(f"{prefix}.running_mean", norm.moving_mean),
        pair(f"{prefix}.running_var", norm.moving_variance),
        counter(f"{prefix}.num_batches_tracked"),
    ]


def as_array(value: object) -> np.ndarray | None:
    """Returns a tensor or array as NumPy, or None if it is neither. Needs no torch."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # NumPy has none
            value = value.float()
        value = value.numpy()
    if isinstance(value, (int, float, np.number)) or hasattr(value, "__array__"):
        value = np.asarray(value)
        return value if value.dtype.kind in "biuf" else None
    return None


def _listing(kind: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return [f"{len(names)} {kind}: {', '.join(names[:LISTED])}{more}"]


def load_pairs(
    pairs: Iterable[Pair],
    state: Mapping[str, object],
    source: str,
    ignored: Sequence[str] = (),
    hint: str = "",
) -> None:
    """Puts a state dict's tensors into the variables; all of them or, on any mismatch, none.

    Args:
        pairs: what the model wants; several pairs may read one key.
        state: name -> array or tensor.
        source: name of the file or object for the error.
        ignored: keys of the state dict that may be there and are not needed.
        hint: a sentence on the way out for the error.

    Raises:
        InputError: tensors that are missing, unexpected, of another shape, not numbers or not
            finite; it lists them.
    """
    pairs = list(pairs)
    wanted = {p.key for p in pairs}
    missing = list(dict.fromkeys(p.key for p in pairs if p.key not in state and not p.optional))
    unexpected = [str(key) for key in state if key not in wanted and key not in ignored]
    arrays, unfit, broken = {}, {}, {}
    for p in pairs:
        if p.key not in state:
            continue
        value = arrays[p.key] if p.key in arrays else as_array(state[p.key])
        if value is None:
            broken[p.key] = f"{p.key} ({type(state[p.key]).__name__})"
        elif tuple(value.shape) != p.shape:
            unfit[p.key] = f"{p.key} {tuple(value.shape)} instead of {p.shape}"
        elif not np.isfinite(value).all():
            broken[p.key] = f"{p.key} (not finite)"
        else:
            arrays[p.key] = value
    problems = [
        *_listing("missing", missing),
        *_listing("unexpected", unexpected),
        *_listing("of another shape", list(unfit.values())),
        *_listing("not usable", list(broken.values())),
    ]
    if problems:
        raise InputError(
            f"{source} does not fit the model, whose {len(wanted)} tensors it should hold: "
            f"{'; '.join(problems)}. Nothing was loaded. {hint}".rstrip()
        )
    for p in pairs:
        if p.variable is not None:
            value = arrays[p.key]
            axes = TO_KERAS[p.layout]
            p.variable.assign(value if axes is None else value.transpose(axes))


def save_pairs(pairs: Iterable[Pair]) -> dict[str, np.ndarray]:
    """Returns the state dict of a list of pairs, in its order, as contiguous NumPy arrays."""
    state = {}
    for p in pairs:
        if p.variable is None:
            state[p.key] = np.full(p.shape, p.fill, p.dtype)
            continue
        value = p.variable.numpy()
        axes = TO_TORCH[p.layout]
        value = value if axes is None else value.transpose(axes)
        state[p.key] = np.ascontiguousarray(value, p.dtype)
    return state


def state_dict_of(checkpoint: Mapping, entry: str | None, source: str) -> dict[str, object]:
    """Returns the state dict inside a checkpoint, its names without DataParallel's prefix.

    Args:
        checkpoint: a state dict, or a mapping that holds one under `entry`.
        entry: name of the entry, or None.
        source: name of the file or object for the error.

    Raises:
        InputError: it is no mapping of names.
    """
    state = checkpoint
    if isinstance(state, Mapping) and entry is not None and isinstance(state.get(entry), Mapping):
        state = state[entry]
    if (
        not isinstance(state, Mapping)
        or not state
        or not all(isinstance(key, str) for key in state)
    ):
        inside = f" under {entry!r}" if entry else ""
        raise InputError(
            f"{source} holds no state dict, a mapping of names to tensors{inside}; found a "
            f"{type(state).__name__}."
        )
    if all(key.startswith(PARALLEL) for key in state):
        # Only the leading one: `conv1.module.weight` has another of its own.
        state = {key.removeprefix(PARALLEL): value for key, value in state.items()}
    return dict(state)
