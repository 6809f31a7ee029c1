"""Memory of a CPU: what a pass frees is taken by its next operations, not given back to the system each time."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# malloc.h of the GNU C library.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: Bytes from which on memory is taken from the system at each request: what that library itself arrives at at most, and
#: the most that it takes before 2.36; and within :func:`keep_cpu_memory`.
USUAL, LARGE = 2**25, 2**30

_lock = threading.Lock()
_inside = 0


@contextmanager
def keep_cpu_memory() -> Iterator[None]:
    """Within this, large blocks that are freed stay with the process until its end, when all of them go back.

    The GNU C library asks the system for every block of more than 32 MB and gives it back when it is freed; the system
    hands out each page anew, zeroed, which takes as long as the arithmetic: a pass of SIAN over 640x960 pixels takes
    half as long within this. It then holds more at its peak, for blocks of many sizes leave gaps.

    For the whole process and any thread; may be nested. Where there is no GNU C library nothing is done.
    """
    global _inside
    libc = _libc()
    if libc is None:
        yield
        return
    with _lock:
        if _inside == 0:
            libc.mallopt(M_MMAP_THRESHOLD, LARGE) or libc.mallopt(M_MMAP_THRESHOLD, USUAL)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                libc.mallopt(M_MMAP_THRESHOLD, USUAL)
                libc.mallopt(M_TRIM_THRESHOLD, 2 * USUAL)
                libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # no such thing on Windows
        return None
    return libc if hasattr(libc, 'mallopt') and hasattr(libc, 'malloc_trim') else None
