"""Keep freed memory in a process that computes on a CPU."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Options of mallopt, from malloc.h of the GNU C library.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
#: Two values of M_MMAP_THRESHOLD in bytes. The library requests blocks of at least M_MMAP_THRESHOLD bytes directly from
#: the system. :func:`keep_cpu_memory` sets LARGE at its start and USUAL at its end. Versions of the library before 2.36
#: do not accept more than USUAL; for these versions, the function sets USUAL also at its start. USUAL is also the
#: largest value that the library sets by itself.
USUAL, LARGE = 2**25, 2**30

_lock = threading.Lock()
_active_contexts = 0


@contextmanager
def keep_cpu_memory() -> Iterator[None]:
    """Keep large blocks of memory in the process after they are freed, until the context ends.

    By default, the GNU C library requests every block of more than 32 MB from the system, and returns the block
    when it is freed. The system fills each new page with zeros, which takes time. A forward pass of SIAN over
    640x960 pixels takes about one third less time inside this context (docs/en/performance.md). The peak memory of the
    process is higher, because there are gaps between blocks of different sizes.

    The setting applies to all threads of the process. Contexts can be nested, and several threads can use them at the
    same time. When the last context ends, the memory is returned to the system. Without the GNU C library, the context
    does nothing.
    """
    global _active_contexts
    libc = _libc()
    if libc is None:
        yield
        return
    with _lock:
        if _active_contexts == 0:
            libc.mallopt(M_MMAP_THRESHOLD, LARGE) or libc.mallopt(M_MMAP_THRESHOLD, USUAL)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        _active_contexts += 1
    try:
        yield
    finally:
        with _lock:
            _active_contexts -= 1
            if _active_contexts == 0:
                libc.mallopt(M_MMAP_THRESHOLD, USUAL)
                libc.mallopt(M_TRIM_THRESHOLD, 2 * USUAL)
                libc.malloc_trim(0)


def _libc() -> ctypes.CDLL | None:
    """Return the C library if it has the settings of the GNU C library, else None."""
    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows
        return None
    return libc if hasattr(libc, 'mallopt') and hasattr(libc, 'malloc_trim') else None
