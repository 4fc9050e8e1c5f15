"""Calibration samples: what the quantiser sees of the data, kept by input name.

Samples are training views passed through the board's own preprocessing. They may be kept in a .npz
file, one array per input under the input's name, never by position: two inputs of one shape could
be swapped unseen.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.modalities import modality_of

from .run_folder import RunFolder
from .runtime.files import PathLike, atomic_path
from .runtime.image_kind import METRES
from .runtime.preprocess import Frame, Preprocessor
from .runtime.tensors import TensorSpec
from .target import Samples

DEFAULT_COUNT = 64
_MEDIANS_OF, _LEAST_MEDIANS = 64, 32
# Training views that a file's samples are held against.
_USUAL = 16


@dataclass(frozen=True)
class Calibration:
    """Samples for every input of a model.

    Attributes:
        arrays: float32 (n, h, w, c) by input name, normalised as the network is fed.
        seed: of the choice of views; None for samples read from a file.
    """

    arrays: dict[str, np.ndarray]
    seed: int | None = None

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(next(iter(self.arrays.values())))

    def checksum(self) -> str:
        """SHA-256 over names and values, the same whatever the order of the names."""
        digest = hashlib.sha256()
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name], "<f4")
            digest.update(f"{name}{array.shape}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    def to_json(self) -> dict[str, Any]:
        """What the manifest keeps of the samples."""
        return {"count": self.count, "seed": self.seed, "sha256": self.checksum()}


@dataclass(frozen=True)
class CalibrationChoice:
    """Where samples come from.

    Attributes:
        file: a .npz file, or a folder of frames without or with labels; None = views of the training
            split.
        count: number of views.
        seed: of the choice of views.
        save_to: a .npz file to keep the samples in; None = they are not kept.
        say: takes a sentence for each input whose samples in the file are `unlike` the training
            data; None = they are not compared.
        depth_scale: metres per count of the folder's depth files; None = millimetres.

    Raises:
        InputError: there is no such file, or no such scale; raised before anything slow is done.
    """

    file: PathLike | None = None
    count: int = DEFAULT_COUNT
    seed: int = 0
    save_to: PathLike | None = None
    say: Callable[[str], None] | None = field(default=None, compare=False)
    depth_scale: float | None = None

    def __post_init__(self):
        folder = self.file is not None and _present(self.file).is_dir()
        if self.depth_scale is None:
            return
        if not folder:
            raise InputError("--depth-scale is for --calibration FOLDER; leave it out")
        if not 0 < self.depth_scale < float("inf"):
            raise InputError(f"--depth-scale is {self.depth_scale}, wanted metres per count")

    def samples(self, run: RunFolder, inputs: Mapping[str, TensorSpec]) -> Calibration:
        """Reads or draws the samples for a float artifact's inputs, and keeps them if asked to.

        Raises:
            InputError: as for `load` and `check`.
        """
        if self.file is not None and Path(self.file).is_file():
            drawn = load(self.file)
        else:
            views = (
                run.views("train")
                if self.file is None
                else frames_of(run, self.file, self.depth_scale)
            )
            drawn = collect(views, inputs, self.count, self.seed)
        if self.file is not None:
            drawn = self._checked(drawn, run, inputs)
        if self.save_to is not None:
            save(drawn, self.save_to)
        return drawn

    def _checked(self, read: Calibration, run: RunFolder, inputs) -> Calibration:
        """Checks samples from elsewhere, and says where they are unlike the training data."""
        check(read, inputs)
        if self.say is None:
            return read
        try:
            usual = collect(run.views("train"), inputs, _USUAL)
        except (InputError, OSError):
            return read  # the training data are not at hand
        for text in unlike(read, usual):
            self.say(text)
        return read


def frames_of(run: RunFolder, folder: PathLike, depth_scale: float | None = None):
    """Opens a folder of frames as the run's modalities; labels are not read.

    Args:
        run: the trained run.
        folder: of frames.
        depth_scale: metres per count of its depth files; None = millimetres, as cameras and the
            demo's --record write, not the counts of the training's files.

    Raises:
        InputError: it holds none of these, or depth in another unit, or a scale is given and there
            is no depth.
    """
    from cen_keras.data.folder import FolderViews
    from cen_keras.data.folder_checks import check_units

    kinds = {name: run.descriptions.get(name) or modality_of(name) for name in run.modalities}
    scaled = {
        name: replace(kind, unit_per_count=depth_scale or METRES.unit_per_count)
        for name, kind in kinds.items()
        if kind.unit == "m" and kind.unit_per_count
    }
    if depth_scale is not None and not scaled:
        raise InputError(
            f"--depth-scale would change nothing, since the model takes {', '.join(kinds)}; leave it out"
        )
    kinds.update(scaled)
    # The check comes here, with the options of the command line for its message.
    views = FolderViews(
        folder, [replace(kind, limits=None) for kind in kinds.values()], label=False
    )
    way_out = "give samples as --calibration FILE.npz"
    check_units(views.files, kinds, "--depth-scale", way_out)
    return views


def medians(run: RunFolder, name: str) -> tuple[float, float] | None:
    """How far away things are in the training data: the 1st and 99th percentile of its images' medians.

    They are counted once and kept in the run folder; those of other data (`RunFolder.own`) are not.

    Args:
        run: the trained run.
        name: of a modality whose images have values that stand for missing.

    Returns:
        The two, in the unit of its views; None where the data are not at hand, or too few views have
        been seen to say.
    """
    file = run.path / "medians.json"
    known = _known_medians(file) if run.own else {}
    if name not in known:
        try:
            views = run.views("train", small=True)
            chosen = np.random.default_rng(0).permutation(len(views))[:_MEDIANS_OF]
            found = [_median(np.asarray(views[int(i)][name])) for i in chosen]
        except (InputError, OSError, KeyError):
            return None
        seen = np.array(found)[np.isfinite(found)]
        enough = len(seen) >= _LEAST_MEDIANS
        known[name] = [float(p) for p in np.percentile(seen, (1, 99))] if enough else None
        if run.own:
            with contextlib.suppress(OSError):  # a run that may only be read is counted each time
                write_json(file, known)
    return tuple(known[name]) if known[name] else None


def _known_medians(file: Path) -> dict[str, Any]:
    """What was counted before; nothing where the file was damaged since."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(known, dict) and all(
        pair is None or (isinstance(pair, list) and len(pair) == 2) for pair in known.values()
    )
    return known if whole else {}


def _median(image: np.ndarray) -> float:
    measured = image[np.isfinite(image) & (image > 0)]
    return float(np.median(measured)) if measured.size else float("nan")


def collect(
    views, inputs: Mapping[str, TensorSpec], count: int = DEFAULT_COUNT, seed: int = 0
) -> Calibration:
    """Draws samples from a data set.

    Args:
        views: the training split (held-out views would make `verify` flatter itself).
        inputs: of the float artifact.
        count: how many views; all of them where there are fewer.
        seed: of the choice.
    """
    chosen = np.random.default_rng(seed).permutation(len(views))[:count]
    preprocess = Preprocessor(inputs, as_float=True)
    # Reading and rendering release Python's lock; the order stays.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        fed = list(pool.map(lambda i: preprocess(Frame(f"view {i}", views[int(i)])), chosen))
    return Calibration({n: np.concatenate([f[n] for f in fed]) for n in inputs}, seed)


def save(calibration: Calibration, path: PathLike) -> None:
    """Writes the samples as .npz, one array per input under its name."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **calibration.arrays)


def load(path: PathLike) -> Calibration:
    """Reads samples from a .npz file.

    Raises:
        InputError: the file is missing, damaged, or holds something else than arrays by name.
    """
    path = _present(path)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a .npz file of arrays")
    try:
        # Pickled objects could run code; arrays of numbers need none.
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: _real(file[name]) for name in file.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise InputError(f"{path}: not a .npz file of arrays ({error}); write it again") from error
    if not arrays or any(array.ndim != 4 for array in arrays.values()):
        raise InputError(f"{path}: wanted (n, h, w, c) arrays, one named after each input")
    if len({len(array) for array in arrays.values()}) != 1:
        raise InputError(f"{path}: the inputs have different numbers of samples; write it again")
    if not all(array.size for array in arrays.values()):
        raise InputError(f"{path}: holds no samples; write it again")
    return Calibration(arrays)


def _real(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "buif":
        raise ValueError(f"holds {array.dtype}")
    return np.asarray(array, np.float32)


def check(calibration: Calibration, inputs: Mapping[str, TensorSpec]) -> None:
    """Holds samples against the inputs: names, shapes, and what values an input can have at all.

    Args:
        calibration: the samples.
        inputs: of the float artifact.

    Raises:
        InputError: a name or shape differs, a value is NaN or infinite, or one cannot come out of
            the input's normalisation - a pixel of 8 bits has 256 values, and no depth is negative -
            as when two inputs were swapped.
    """
    check_samples(inputs, calibration.arrays)
    if not any(np.ptp(array) for array in calibration.arrays.values()):
        raise InputError(
            "calibration samples hold the same value everywhere; give frames of the data, normalised"
        )
    for name, spec in inputs.items():
        array = calibration.arrays[name]
        low, high = _possible(spec)
        least, most = array.min(axis=(0, 1, 2)), array.max(axis=(0, 1, 2))
        # float32 rounding of values up to a few hundred.
        if (least < low - 1e-3).any() or (most > high + 1e-3).any():
            raise InputError(
                f"calibration samples of {name!r} reach from {least.min():.3g} to "
                f"{most.max():.3g}, its normalisation gives {low.min():.3g} to {high.max():.3g}; "
                "are the inputs swapped, or the samples not normalised?"
            )


def check_samples(inputs: Mapping[str, Any], samples: Samples) -> None:
    """Holds samples against the names and shapes of inputs.

    Args:
        inputs: with a `shape` and a `layout` ("NHWC", "NCHW"), of a manifest or a file.
        samples: float32 (n, h, w, c) by input name.

    Raises:
        InputError: they are for other inputs, of other sizes, or not finite.
    """
    if set(samples) != set(inputs):
        raise InputError(
            f"calibration samples are for {', '.join(sorted(samples))}, the model's inputs are "
            f"{', '.join(sorted(inputs))}; make them again for this model"
        )
    for name, tensor in inputs.items():
        size = dict(zip(tensor.layout, tensor.shape, strict=True))
        wanted = tuple(size[axis] for axis in "HWC")
        if samples[name].shape[1:] != wanted:
            raise InputError(
                f"calibration samples of {name!r} are {samples[name].shape[1:]}, the input is "
                f"{wanted}; make them again for this model"
            )
        wrong = int((~np.isfinite(samples[name])).sum())
        if wrong:
            raise InputError(
                f"calibration samples of {name!r}: {wrong} of {samples[name].size} values are NaN or "
                "infinite; write what is missing as the modality does (depth: 0 metres, normalised)"
            )


def feeds_of(samples: Samples) -> list[dict[str, np.ndarray]]:
    """One dict of batch 1 per sample."""
    count = len(next(iter(samples.values())))
    return [{name: array[i : i + 1] for name, array in samples.items()} for i in range(count)]


def unlike(calibration: Calibration, usual: Calibration) -> list[str]:
    """Says which inputs' samples are far from what the network was trained on.

    Args:
        calibration: samples from somewhere.
        usual: samples of the training data.

    Returns:
        A sentence with numbers for each input whose values, but for a hundredth on each side, reach
        less than half or more than twice as far as the training data's, or past them by as much
        again. With such ranges 8 bits are coarse, or cut off.
    """
    found = []
    for name, array in calibration.arrays.items():
        low, high = np.percentile(array, (1, 99))
        usual_low, usual_high = np.percentile(usual.arrays[name], (1, 99))
        width, usual_width = high - low, max(usual_high - usual_low, 1e-6)
        outside = max(high - usual_high, usual_low - low)
        if not 0.5 <= width / usual_width <= 2 or outside > usual_width:
            found.append(
                f"calibration samples of {name!r} lie between {low:.3g} and {high:.3g}, the "
                f"training data between {usual_low:.3g} and {usual_high:.3g}; 8 bits will be "
                "coarse or cut off on one of them"
            )
    return found


def _present(path: PathLike) -> Path:
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such calibration file or folder of frames")
    return path


def _possible(spec: TensorSpec) -> tuple[np.ndarray, np.ndarray]:
    """The least and largest value of each channel that normalisation can give."""
    normal = spec.normalization
    low, high = spec.kind.values or (-np.inf, np.inf)
    mean, std = np.array(normal.mean), np.array(normal.std)
    return (low * normal.scale - mean) / std, (high * normal.scale - mean) / std
