"""The labels of SUN RGB-D's benchmark: SUNRGBDtoolbox/Metadata/SUNRGBD2Dseg.mat.

The file (MATLAB 7.3, so HDF5) holds a struct SUNRGBD2Dseg with a cell for each of the 10,335 frames;
`seglabel` is a map of whole numbers, 0 where nobody labelled, else 1 to 37 in the order of seg37list.
Which frame is which, SUNRGBDMeta.mat beside it says: `rgbpath`. A frame is read alone, since all of
them together take tens of gigabytes.
"""

from pathlib import Path, PurePosixPath

import numpy as np

from cen_keras.data import labels
from cen_keras.errors import InputError

SEGMENTATIONS, META = "SUNRGBD2Dseg.mat", "SUNRGBDMeta.mat"
PLACES = ("SUNRGBDtoolbox/Metadata", "Metadata", "")
"""Where the two files lie, in or beside the published tree."""


class ToolboxLabels:
    """The benchmark's labels of the frames.

    Args:
        path: SUNRGBD2Dseg.mat, with SUNRGBDMeta.mat beside it.
        num_classes: 37.

    Raises:
        FileNotFoundError: one of the two files is not there.
        InputError: they are damaged, or of different numbers of frames.
    """

    def __init__(self, path: str | Path, num_classes: int):
        self.path = Path(path).expanduser()
        self.num_classes = num_classes
        meta = self.path.parent / META
        for file in (self.path, meta):
            if not file.is_file():
                raise FileNotFoundError(
                    f"{file}: is missing; both {SEGMENTATIONS} and {META} of SUNRGBDtoolbox.zip are "
                    "needed, in one folder."
                )
        self._index = {folder: index for index, folder in enumerate(_folders(meta))}
        count = self._read(lambda file: len(file["SUNRGBD2Dseg"]["seglabel"]))
        if count != len(self._index):
            raise InputError(
                f"{self.path}: has {count} frames, {meta.name} {len(self._index)}; copy both again."
            )

    def __call__(self, folder: str) -> np.ndarray:
        """Reads the labels of a frame.

        Args:
            folder: of the frame, relative to the published tree ("kv1/NYUdata/NYU0001").

        Returns:
            uint8 (h, w), class numbers, 255 = ignored.

        Raises:
            InputError: the file does not know the frame, or holds a number that is no class.
        """
        if folder not in self._index:
            raise InputError(
                f"{self.path}: has no frame {folder!r}; read labels of frames instead."
            )
        row = self._index[folder]

        def read(file):
            cells = file["SUNRGBD2Dseg"]["seglabel"]
            # MATLAB stores columns first.
            return np.asarray(file[cells[row][0]]).T

        numbers = self._read(read)
        if numbers.max(initial=0) > self.num_classes or numbers.min(initial=0) < 0:
            raise InputError(
                f"{self.path}: {folder} has the number {numbers.max()}; wanted 0 to {self.num_classes}."
            )
        lookup = np.array([labels.IGNORE, *range(self.num_classes)], np.uint8)
        return lookup[numbers.astype(np.int64)]

    def _read(self, read):
        """What a function reads from the open file; opened anew, as several threads read."""
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                return read(file)
        except Exception as error:  # A damaged file makes h5py raise nearly anything.
            raise InputError(f"{self.path}: is damaged or no {SEGMENTATIONS} ({error}).") from error


def find_labels(root: Path) -> Path:
    """SUNRGBD2Dseg.mat, in one of its usual places in or beside the published tree.

    Raises:
        FileNotFoundError: it is in none of them.
    """
    for folder in (root, root.parent):
        for place in PLACES:
            if (folder / place / SEGMENTATIONS).is_file():
                return folder / place / SEGMENTATIONS
    raise FileNotFoundError(
        f"{root}: found no {SEGMENTATIONS} in or beside it; unpack SUNRGBDtoolbox.zip there, name the "
        'file with "labels", or read the frames\' own, "labels": "frames".'
    )


def relative_folder(path: str) -> str:
    """A folder relative to the published tree: the authors' own place in front is left away."""
    # /n/fs/sun3d/data/SUNRGBD/kv1/NYUdata/NYU0001/
    parts = PurePosixPath(path).parts
    start = len(parts) - parts[::-1].index("SUNRGBD") if "SUNRGBD" in parts else 0
    return "/".join(part for part in parts[start:] if part != "/")


def _folders(meta: Path) -> list[str]:
    """Folders of the frames, in the order of both files."""
    import scipy.io

    try:
        found = scipy.io.loadmat(
            meta, variable_names=["SUNRGBDMeta"], squeeze_me=True, struct_as_record=False
        )
        frames = np.atleast_1d(found["SUNRGBDMeta"])
        return [relative_folder(str(PurePosixPath(frame.rgbpath).parents[1])) for frame in frames]
    except Exception as error:  # A damaged file makes SciPy raise nearly anything.
        raise InputError(f"{meta}: is damaged or no {META} ({error}); copy it again.") from error
