"""What the commands of recipes share: errors as one line and an exit code, tables, `--json`."""

import contextlib
import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from cen_keras.errors import InputError
from cen_keras.files import write_json
from cen_keras.training.errors import NonFiniteError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
USERS_OS_ERRORS = (
    *FULL_DISK,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)
"""What a user can mend: a full or read-only disk, a wrong path."""


def program(module: str) -> str:
    """Returns how a command was called, for its usage line: `cen train` or `python -m recipes.train`."""
    return f"cen {module.rpartition('.')[2]}" if sys.argv[0] == "cen" else f"python -m {module}"


def run_command(command: Callable[[], int], goes_on: str = "") -> int:
    """Runs a command and returns its exit code.

    0 good, 1 the training or a check failed, 2 bad input, 130 interrupted. An error that the user
    can mend becomes one line on standard error.

    Args:
        command: returns 0 or 1.
        goes_on: the message after Ctrl-C on where the same command goes on; nothing if it does
            not.
    """
    # TensorFlow greets with a page of notes; what matters is printed at level 2 and above.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        return command()
    except NonFiniteError as error:
        return _fail(error, 1)
    except (InputError, FileNotFoundError) as error:
        return _fail(error, 2)
    except OSError as error:
        if error.errno not in USERS_OS_ERRORS:
            raise
        if error.errno in FULL_DISK:
            where = f" for {error.filename}" if error.filename else ""
            error = (
                f"no space is left on the disk{where}; make room and give the same command again"
            )
        return _fail(error, 2)
    except MemoryError as error:
        return _fail(f"not enough memory ({error}); take smaller images or batches", 2)
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted{'; the same command ' if goes_on else ''}{goes_on}\n")
        return 130


def _fail(error: Exception | str, code: int) -> int:
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    return code


@contextlib.contextmanager
def full_disk_of(folder: str | os.PathLike) -> Iterator[None]:
    """Makes the error of a full disk name a folder.

    Files that are being written have temporary names, which tell the user nothing, or none at all.

    Raises:
        OSError: the disk or the user's share of it is full; `folder` is its `filename`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise


def console_for(json_to: str | None):
    """Returns a rich console on standard output, or on standard error if JSON goes there."""
    from rich.console import Console

    return Console(stderr=json_to == "-", highlight=False)


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows on a terminal how far a work is and when it ends; gives a function of done and total."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def write_result(value: Any, json_to: str | None) -> None:
    """Writes a command's result as JSON to a file, to standard output for "-", or nowhere for None.

    Raises:
        OSError: the file cannot be written.
    """
    if json_to == "-":
        sys.stdout.write(json.dumps(value, indent=2) + "\n")
    elif json_to is not None:
        write_json(json_to, value)


def percent(value: float | None, digits: int = 1) -> str:
    """Returns a share as a percentage, "-" where there is none."""
    if value is None or math.isnan(value):
        return "-"
    return f"{100 * value:.{digits}f}"


def scored(result: dict[str, Any]) -> str:
    """Returns what was scored: the recipe, and the epoch of which a training kept the weights."""
    best = result.get("best_epoch")
    return result["recipe"] if best is None else f"{result['recipe']}, best epoch ({best + 1})"


def print_exchange_rate(console, exchange: dict[str, Any]) -> None:
    """Prints the share of exchanged channels over all layers, if the model exchanges at all."""
    if exchange["layers"]:
        console.print(
            f"exchanged: {percent(exchange['share_of_penalised'])} % of the penalised channels, in "
            f"{exchange['layers_exchanging']} of {len(exchange['layers'])} layers"
        )


def print_exchange(console, exchange: dict[str, Any]) -> None:
    """Prints the share of exchanged channels per layer and modality."""
    from rich.table import Table

    if not exchange["layers"]:
        return
    modalities = list(next(iter(exchange["layers"].values())))
    table = Table(title="exchanged % of each modality's own part")
    for column in ("layer", *modalities):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for layer, shares in exchange["layers"].items():
        table.add_row(layer, *(percent(shares[name], 0) for name in modalities))
    console.print(table)
