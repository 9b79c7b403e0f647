"""What a piece of code allocates, in a process whose other threads allocate as well."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np


def least_peak(work: Callable[[], object], *, times: int = 3) -> int:
    """The bytes by which memory grows while `work` runs: the least of some runs, for other threads add to most.

    It runs once before. No garbage is collected meanwhile: that would empty the free lists of Python's objects. NumPy's
    buffer for broadcasting, 8,192 numbers however large the arrays, is made small: it would hide an array of a few kB.
    """
    peaks = []
    buffer = np.setbufsize(16)
    gc.disable()
    tracemalloc.start()
    try:
        work()
        for _ in range(times):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            work()
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
        gc.enable()
        np.setbufsize(buffer)
    return min(peaks)
