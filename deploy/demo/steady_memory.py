"""Memory that stays as it is while frames come and go."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Iterator

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# The largest that glibc takes for the second.
_ALL, _LARGEST = 1 << 30, 32 << 20
# What an engine's blocks take at least to come from the system: the packed weights of most layers.
_APART = 16 << 10
# A block that is freed makes glibc look at the heap's free end from this size on.
_LOOKED_AT = 128 << 10
_kept = False


def keep_freed_memory() -> bool:
    """Lets this process keep the memory that it frees, for the next frame of any thread.

    glibc gives the arrays of each frame back to the system and asks for the next one's anew, which
    costs time and lets the process' size move by several megabytes. It also gives each thread a
    heap of its own, and each of them grows to the most that its thread ever took at once. Kept, and
    in one heap, memory is what the busiest moment took. Call it before threads are started: heaps
    that are there stay.

    Returns:
        Whether the C library has these options; others stay as they are.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    global _kept
    options = {_TRIM_THRESHOLD: _ALL, _MMAP_THRESHOLD: _LARGEST, _ARENA_MAX: 1}
    _kept = all([set_option(option, value) for option, value in options.items()])
    return _kept


@contextlib.contextmanager
def large_blocks_apart() -> Iterator[None]:
    """Lets what is allocated inside, from 16 kB on, come from the system and go back to it when it is freed.

    An engine stays for long. In the heap, between frames that come and go, it would leave a hole that the next engine
    does not fit into, and the process would grow with each exchange. Where freed memory is not kept, nothing changes.
    """
    if not _kept:
        yield
        return
    library = ctypes.CDLL(None)
    # The heap's free end goes first: what fits into it would be taken from it, however large. To free a block of this
    # size makes glibc look at the end.
    library.mallopt(_TRIM_THRESHOLD, 0)
    library.free(_malloc(library, _LOOKED_AT - 4096))
    library.mallopt(_TRIM_THRESHOLD, _ALL)
    library.mallopt(_MMAP_THRESHOLD, _APART)
    try:
        yield
    finally:
        library.mallopt(_MMAP_THRESHOLD, _LARGEST)


def return_freed_memory() -> None:
    """Gives the system the pages of the heap that nothing uses.

    An engine's small blocks lie between those of frames, and leave holes when it is closed; the next engine fills them
    in part only. Where freed memory is not kept, nothing changes.
    """
    if _kept:
        ctypes.CDLL(None).malloc_trim(0)


def _malloc(library: ctypes.CDLL, size: int) -> ctypes.c_void_p:
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    return ctypes.c_void_p(library.malloc(size))
