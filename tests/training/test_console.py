"""The bar of a long work: drawn on a terminal, nothing in a file."""

import io
import sys

import pytest

from cen_keras.training.console import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_bar_is_for_terminals_only(monkeypatch, stream):
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "stderr", stream())
    with progress_bar("views") as progress:
        progress(1, 4)
    written = sys.stderr.getvalue()
    if stream is Terminal:
        assert "views" in written and "25%" in written
    else:
        assert not written
