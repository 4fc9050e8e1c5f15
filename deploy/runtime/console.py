"""What the commands share: words for people, JSON for machines, and exit codes.

0 good; 1 a check failed; 2 bad input, in one line on standard error; 130 interrupted. With `--json
-` standard output holds the JSON alone and the words go to standard error.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import os
import sys
from pathlib import Path
from typing import Any, Callable, Sequence

from .errors import InputError
from .files import write_json

GOOD, CHECK_FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

# What the user's machine, not our code, is short of or forbids.
_USERS = {
    errno.ENOSPC: "the disk is full; free some space and run the command again",
    errno.EDQUOT: "your disk quota is used up; free some space and run the command again",
    errno.EACCES: "no permission; choose another folder",
    errno.EPERM: "no permission; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "this is a folder, wanted a file",
    errno.EEXIST: "this is in the way",
    errno.ENAMETOOLONG: "the name is too long",
}

# What only a host has, and some commands need.
_HOSTS = {
    "cen_keras", "tensorflow", "keras", "tf_keras", "tf2onnx", "onnx", "litert_quantizer", "cv2",
    "jinja2", "matplotlib", "rich", "scipy", "h5py",
}  # fmt: skip
# The wheel of a board holds a part of this package.
_ON_HOST = (Path(__file__).resolve().parent.parent / "host.py").is_file()


class Output:
    """Where a command's words and its result go.

    Args:
        json_target: a file, "-" for standard output, or None for no JSON.
    """

    def __init__(self, json_target: str | None = None):
        self._target = json_target
        self._words = sys.stderr if json_target == "-" else sys.stdout

    def say(self, text: str = "") -> None:
        """One line for people."""
        self._words.write(text + "\n")
        self._words.flush()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """An aligned table; the first column to the left, the others to the right."""
        cells = [[str(cell) for cell in row] for row in [columns] + [list(row) for row in rows]]
        widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
        for row in cells:
            parts = [
                cell.ljust(widths[i]) if i == 0 else cell.rjust(widths[i])
                for i, cell in enumerate(row)
            ]
            self.say("  " + "  ".join(parts).rstrip())

    def result(self, value: dict[str, Any]) -> None:
        """The result for machines, if asked for; NaN and infinity, which JSON has not, become
        null.
        """
        if self._target is None:
            return
        if self._target != "-":
            write_json(self._target, plain(value))
            return
        sys.stdout.write(json.dumps(plain(value), indent=2) + "\n")
        sys.stdout.flush()


def plain(value: Any) -> Any:
    """The same value in JSON's types; numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`, which every command takes."""
    parser.add_argument(
        "--json", metavar="FILE", help="also write the result as JSON; - for standard output"
    )


def guarded(command: Callable[[], int]) -> int:
    """Runs a command; what the user can mend becomes one line on standard error and exit code 2.

    Any other exception is a defect of this program and keeps its stack trace.
    """
    try:
        return command()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing is left to say, nor anyone to hear
        # it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GOOD
    except ImportError as error:
        name = (error.name or "").split(".")[0]
        if name == "deploy" and not _ON_HOST:
            missing = "is not in cen-keras-runtime"
        elif name in _HOSTS and isinstance(error, ModuleNotFoundError):
            missing = f"needs {name}, which is not installed"
        else:
            raise
        return _refuse(
            f"this command {missing}: pip install 'cen-keras[train,export]' on a host. A board runs "
            "engine, bench and demo"
        )
    except OSError as error:
        if error.errno is None and isinstance(error, FileNotFoundError):
            return _refuse(str(error))  # a data set's own words
        if error.errno not in _USERS:
            raise
        return _refuse(f"{error.filename or 'file'}: {_USERS[error.errno]}")
    except MemoryError as error:
        return _refuse(f"not enough memory ({error}); take smaller images or fewer views")
    except ValueError as error:
        if not is_input_error(error):
            raise
        return _refuse(str(error))


def is_input_error(error: BaseException) -> bool:
    """Whether an error is the user's to mend: the board's InputError, or the host's one of the same
    name.

    By name, because this package does not import the host's.
    """
    if isinstance(error, InputError):
        return True
    return any(cls.__name__ == "InputError" for cls in type(error).__mro__)


def _refuse(message: str) -> int:
    lines: list[str] = message.split()
    sys.stderr.write("error: " + " ".join(lines) + "\n")
    return BAD_INPUT
