"""Buffers of a training step, allocated once and shared by batches of different lengths."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Arena:
    """Allocator of reusable buffers: the n-th request after each `rewind` gets the same memory.

    Allocate for the longest batch first; call `rewind` before each shorter one.
    """

    def __init__(self) -> None:
        self._made: list[NDArray[Any]] = []
        self._next = 0

    def rewind(self) -> None:
        """Start again at the first buffer."""
        self._next = 0

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return the next buffer as a contiguous, uninitialised array of `shape`."""
        size = math.prod(shape)
        if self._next == len(self._made):
            self._made.append(np.empty(size, dtype))
        flat = self._made[self._next]
        self._next += 1
        return flat[:size].reshape(shape)
