"""Freed arrays stay with the process, in one heap for all threads, seen in what Linux and the C
library say of its memory.
"""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo.steady_memory import keep_freed_memory

RESIDENT = """
import re, sys
from pathlib import Path
import numpy as np
from deploy.demo.steady_memory import keep_freed_memory, large_blocks_apart
if sys.argv[1] != "given back":
    assert keep_freed_memory()
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
"""

FRAMES = """
frames = [np.ones(1 << 20, np.uint8) for _ in range(32)]
held = resident()
del frames
print(held - resident())
"""

ENGINES = """
frames = [np.ones(1 << 20, np.uint8) for _ in range(32)]
del frames  # an engine would fit where they were
with large_blocks_apart():
    engine = [np.ones(1 << 20, np.uint8) for _ in range(32)]
frame = np.ones(1 << 20, np.uint8)  # on top of it
held = resident()
del engine
print(held - resident())
"""

HOLES = """
from deploy.demo.steady_memory import return_freed_memory
blocks = [np.ones(1 << 16, np.uint8) for _ in range(512)]
del blocks[::2]  # each between two that stay
held = resident()
return_freed_memory()
print(held - resident())
"""

THREADS = """
import ctypes, sys, threading
import numpy as np
from deploy.demo.steady_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
together = threading.Barrier(4)
def work():
    together.wait()
    frame = np.ones(1 << 20, np.uint8)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
library = ctypes.CDLL(None)
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""

needs_glibc = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc")


def output_of(script: str, freed: str) -> str:
    command = [sys.executable, "-c", script, freed]
    root = Path(__file__).parents[2]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout


@needs_glibc
@pytest.mark.parametrize("freed", ["kept", "given back"])
def test_32_megabytes_of_frames(freed):
    given_back = float(output_of(RESIDENT + FRAMES, freed))
    # All but what the allocator itself holds on to, or nothing but small change.
    assert given_back < 1 if freed == "kept" else given_back > 28


@needs_glibc
def test_an_engine_of_32_megabytes_leaves_no_hole():
    assert float(output_of(RESIDENT + ENGINES, "kept")) > 28


@needs_glibc
@pytest.mark.parametrize("freed", ["kept", "given back"])
def test_holes_of_16_megabytes_between_small_blocks(freed):
    given_back = float(output_of(RESIDENT + HOLES, freed))
    # Whole pages of each hole; where freed memory is not kept, the usual way stays as it is.
    assert given_back > 14 if freed == "kept" else given_back < 1


@needs_glibc
@pytest.mark.parametrize("freed", ["kept", "given back"])
def test_frames_of_four_threads(freed):
    heaps = output_of(THREADS, freed).count("<heap nr=")
    assert heaps == 1 if freed == "kept" else heaps > 1


def test_a_library_without_the_option_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
