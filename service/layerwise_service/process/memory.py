"""The memory of a serving process goes back to the system after large requests.

glibc's allocator keeps what was freed in its arenas, one for each of several threads, where small blocks that are still
in use lie between free ones. After some hundred large requests that is several times what any one of them needs. From
one large request to the next it may keep them, though: the system gives the memory for 8 MB page by page, in 3 ms.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable

from layerwise_service.process.loops import Loop

_SECONDS = 5.0
_MMAP_THRESHOLD, _MOST_IN_ARENAS = -3, 32 * 2**20  # bytes: the largest that mallopt takes
_TRIM_THRESHOLD, _MOST_AT_THE_END = -1, 64 * 2**20  # freed memory that an arena may keep between two returns
_FREE_AT_THE_END = 0
_ARENAS, _FEW = -8, 2


def start_returning_memory(forget: Callable[[], None] = lambda: None) -> None:
    """Begin to return freed memory to the system every few seconds, if the allocator is glibc's.

    `forget` is called before that, to free what is kept for the next request.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    # What threads have freed lies in arenas of their own, which hardly shrink: the fewer there are, the less stays.
    libc.mallopt(_ARENAS, _FEW)
    # A fixed threshold, above the size of the usual bodies: larger blocks go back to the system at once.
    libc.mallopt(_MMAP_THRESHOLD, _MOST_IN_ARENAS)
    # By default every freed megabyte goes back at once, and is taken again for the next message, page by page.
    libc.mallopt(_TRIM_THRESHOLD, _MOST_AT_THE_END)

    def trim() -> None:
        forget()
        libc.malloc_trim(_FREE_AT_THE_END)

    Loop("memory", trim, every=_SECONDS).start()
