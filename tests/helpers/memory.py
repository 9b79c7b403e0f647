"""How much memory this process takes at most while something runs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def peak_growth() -> Iterator[Callable[[], int]]:
    """Yield a function that returns by how many bytes the peak of this block was above its beginning."""
    gc.collect()
    gc.freeze()  # or the next one would look at everything that is here again, for 0.1 s
    Path("/proc/self/clear_refs").write_text("5")  # the peak is the present from here on
    before = _kilobytes("VmRSS")
    peaks: list[int] = []
    yield lambda: (peaks[0] - before) * 1024
    peaks.append(_kilobytes("VmHWM"))


def _kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(name)
