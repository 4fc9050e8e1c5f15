"""A command in a terminal of its own, to be watched and to be typed at."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..runtime.errors import InputError


class Memory(NamedTuple):
    """Of a process, megabytes of 2^20 bytes.

    Attributes:
        resident: all of it.
        own: without the pages of files, as libraries are, which the system drops where they have not
            been read for a while and reads again.
        peak: of what was resident.
    """

    resident: float
    own: float
    peak: float


def output_of(command: Sequence[str], name: str) -> str:
    """Runs a command to its end, without a terminal.

    Args:
        command: what to run, a path first.
        name: what messages call it.

    Returns:
        what it printed.

    Raises:
        InputError: it failed; its last words.
    """
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        errors = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
        raise InputError(f"{name} failed: {errors[-1]}")
    return ended.stdout


class Terminal:
    """A command in a terminal of its own.

    Args:
        command: what to start, a path first.
        name: what messages call it.
        environment: its variables; None = those of this process.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str = "the command",
        environment: Mapping[str, str] | None = None,
    ):
        import pty

        self._name = name
        self._output = b""
        self._code: int | None = None
        self.pid, self._end = pty.fork()
        if self.pid == 0:
            # Whoever started this in the background may have had Ctrl-C ignored.
            try:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.execve(command[0], list(command), dict(environment or os.environ))
            finally:
                os._exit(127)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: re.Pattern[bytes], seconds: float) -> bytes:
        """Waits until the command says a pattern, and returns the pattern's first group.

        Raises:
            InputError: it ended, or did not say it in time; its last words.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.poll() is None:
            found = pattern.search(self._output)
            if found:
                return found[1]
            time.sleep(0.05)
        if self.poll() is not None:
            self._reader.join(1)  # for its last words
        words = self._output.decode(errors="replace").strip().splitlines()
        raise InputError(f"{self._name} did not get ready: {(words or ['it said nothing'])[-1]}")

    def type(self, keys: bytes) -> None:
        """Types on the keyboard."""
        os.write(self._end, keys)

    def poll(self) -> int | None:
        """The exit code, None while the command runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float) -> int:
        """Waits for the end and returns the exit code, below zero for a signal.

        Raises:
            InputError: it takes longer.
        """
        until = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > until:
                raise InputError(f"{self._name} did not end within {seconds:g} s")
            time.sleep(0.01)
        return self._code

    def kill(self) -> None:
        """Ends the command, and all that it started in its terminal, if it has not ended."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._reader.join(1)
        os.close(self._end)

    def memory(self) -> Memory:
        """What it takes now.

        Raises:
            InputError: the command has ended.
        """
        try:
            status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        except OSError:
            status = ""
        names = ("VmRSS", "RssAnon", "VmHWM")
        found = [re.search(rf"{name}:\s+(\d+) kB", status) for name in names]
        if not all(found):
            raise InputError(f"{self._name} ended before its time")
        return Memory(*(int(match[1]) / 1024 for match in found))

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._end, 65536)
            except OSError:  # the command has ended
                return
            self._output = (self._output + chunk)[-65536:]
