"""Freed arrays stay with the process, seen in what Linux says of its memory."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.steady_memory import keep_freed_memory

FRAMES = """
import re, sys
from pathlib import Path
import numpy as np
from deploy.demo.steady_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
frames = [np.ones(1 << 20, np.uint8) for _ in range(32)]
held = resident()
del frames
print(held - resident())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")
@pytest.mark.parametrize("kept", [True, False])
def test_32_megabytes_of_frames(kept):
    command = [sys.executable, "-c", FRAMES, "kept" if kept else "given back"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    given_back = float(done.stdout)
    # All but what the allocator itself holds on to, or nothing but small change.
    assert given_back < 1 if kept else given_back > 28


def test_a_library_without_the_option_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
