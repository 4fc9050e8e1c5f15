"""Memory that stays as it is while frames come and go."""

from __future__ import annotations

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
# The largest that glibc takes for the second.
_ALL, _LARGEST = 1 << 30, 32 << 20


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
    options = {_TRIM_THRESHOLD: _ALL, _MMAP_THRESHOLD: _LARGEST, _ARENA_MAX: 1}
    return all([set_option(option, value) for option, value in options.items()])


def give_back_freed_memory() -> bool:
    """Gives back what this process freed: an engine that was exchanged, of which the next frame needs nothing.

    Returns:
        Whether the C library can.
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return False
    return bool(trim(0))
