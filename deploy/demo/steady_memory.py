"""Memory that stays as it is while frames come and go."""

from __future__ import annotations

import ctypes

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
# The largest that glibc takes for the second.
_ALL, _LARGEST = 1 << 30, 32 << 20


def keep_freed_memory() -> bool:
    """Lets this process keep the memory that it frees, for the next frame.

    glibc gives the arrays of each frame back to the system and asks for the next one's anew, which
    costs time and lets the process' size move by several megabytes. Kept, it is what the busiest
    moment took.

    Returns:
        Whether the C library is one that can be told so; others stay as they are.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(set_option(_TRIM_THRESHOLD, _ALL) and set_option(_MMAP_THRESHOLD, _LARGEST))
