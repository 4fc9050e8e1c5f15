"""Files that are either whole or absent, and their checksums."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Iterable, Iterator, Mapping, Sequence, Union

PathLike = Union[str, "os.PathLike[str]"]


@contextlib.contextmanager
def atomic_path(path: PathLike, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path beside `path`; renames it to `path` on success, deletes it on any
    error.

    Args:
        path: the file to write; missing parent folders are made. The temporary name keeps its
            suffix, since some writers choose their format by it.
        durable: bring the bytes to the disk before the name changes. For one picture among many it
            is not worth it: each time costs an SD card some of its life.

    Raises:
        OSError: as the writer or the file system says (full disk, no permission); `path` is then as
            it was.
    """
    path = Path(path)
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _settle(temporary, durable)
        os.replace(str(temporary), str(path))
    finally:
        _remove(temporary)


def write_together(contents: dict[PathLike, bytes]) -> None:
    """Writes several files so that an error while writing leaves every one of them as it was.

    An artifact and its manifest are one thing in two files: all bytes are on the disk under
    temporary names before the first file takes its final one.

    Args:
        contents: the bytes of each file by path.

    Raises:
        OSError: as for `atomic_path`.
    """
    staged = []
    try:
        for path, data in contents.items():
            temporary = _temporary_beside(Path(path))
            staged.append((temporary, Path(path)))
            temporary.write_bytes(data)
            _settle(temporary)
        for temporary, path in staged:
            os.replace(str(temporary), str(path))
    finally:
        for temporary, _ in staged:
            _remove(temporary)


def write_json(path: PathLike, value: object) -> None:
    """Writes `value` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def write_csv(
    path: PathLike, rows: Iterable[Mapping[str, object]], columns: Sequence[str] = ()
) -> None:
    """Writes rows as CSV with a header, atomically.

    Args:
        path: the file to write.
        rows: values by column; what a row lacks is left empty.
        columns: their order; empty = as they first occur.

    Raises:
        ValueError: a row has a column that `columns` lacks.
        OSError: as for `atomic_path`.
    """
    rows = list(rows)
    text = io.StringIO()
    columns = columns or list(dict.fromkeys(column for row in rows for column in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_path(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def beside(path: PathLike, suffix: str) -> Path:
    """Where a file that belongs to an artifact lies: "a.tflite" and ".json" give "a.tflite.json", so
    that artifacts of two targets share a folder.
    """
    return Path(path).with_name(Path(path).name + suffix)


def sha256(path: PathLike) -> str:
    """The SHA-256 of a file's content, 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(str(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _temporary_beside(path: Path) -> Path:
    if path.is_dir():  # refused at once, and by its name
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=path.suffix, dir=str(path.parent))
    os.close(handle)
    return Path(name)


def _settle(temporary: Path, durable: bool = True) -> None:
    """Brings the bytes to the disk and gives the file the user's usual permissions (mkstemp makes
    private ones).
    """
    if durable:
        with open(str(temporary), "rb+") as file:
            os.fsync(file.fileno())
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)


def _remove(temporary: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
