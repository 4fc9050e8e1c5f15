"""How the processes of one training learn of each other, and find each other."""

import re
import socket
import time
from collections.abc import Mapping
from typing import Any

from cen_keras.errors import InputError

PATIENCE = 240.0
"""Seconds that a process looks for process 0. JAX waits 300, and then ends the process with a stack
trace of C++; so it does in process 0 where others are missing."""

SETTINGS: dict[str, tuple[str, ...]] = {
    "--coordinator": ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "JAX_COORDINATOR_ADDRESS"),
    "--processes": ("KERAS_DISTRIBUTION_NUM_PROCESSES", "JAX_NUM_PROCESSES"),
    "--process": ("KERAS_DISTRIBUTION_PROCESS_ID", "JAX_PROCESS_ID"),
}
"""Option and the environment variables that stand for it."""


def host_settings(
    coordinator: str | None,
    processes: int | str | None,
    process: int | str | None,
    environment: Mapping[str, str],
) -> tuple[str, int, int]:
    """Returns the address of process 0, the number of processes and the number of this one.

    Each as it is given, or else from the environment, by Keras' names or JAX's.

    Raises:
        InputError: one is missing or wrong.
    """
    values: dict[str, Any] = {}
    given = (coordinator, processes, process)
    for (option, names), value in zip(SETTINGS.items(), given, strict=True):
        found = [(option, value)] + [(name, environment.get(name)) for name in names]
        found = [(name, value) for name, value in found if value not in (None, "")]
        if not found:
            raise InputError(
                f"--distribute hosts wants {option}, or {' or '.join(names)} in the environment: "
                "the same --coordinator HOST:PORT and --processes N for all, and --process 0 to "
                "N-1, one each."
            )
        values[option] = found[0]
    name, address = values["--coordinator"]
    # Keras takes the addresses of all; JAX needs the first.
    address = address.split(",")[0].strip()
    if not re.fullmatch(r"\S+:\d{1,5}", address):
        raise InputError(f"{name} is {address!r}; wanted HOST:PORT of process 0.")
    numbers = []
    for option in ("--processes", "--process"):
        name, value = values[option]
        if not re.fullmatch(r"\d{1,6}", str(value)):
            raise InputError(f"{name} is {value!r}; wanted a whole number.")
        numbers.append(int(value))
    count, index = numbers
    if not index < count:
        raise InputError(
            f"{values['--process'][0]} is {index} and {values['--processes'][0]} {count}; "
            f"processes are numbered from 0 to {max(count - 1, 0)}."
        )
    return address, count, index


def wait_for(address: str, seconds: float | None = None) -> None:
    """Waits until somebody listens at "host:port".

    Args:
        address: where.
        seconds: how long; None for `PATIENCE`.

    Raises:
        InputError: nobody does, for so many seconds.
    """
    seconds = PATIENCE if seconds is None else seconds
    host, port = address.rsplit(":", 1)
    until = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() > until:
                raise InputError(
                    f"nobody has listened at {address} for {seconds:.0f} s ({error}); start process "
                    "0 on the machine of that address, and see that the port is open."
                ) from error
        time.sleep(0.5)
