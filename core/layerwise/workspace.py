"""The memory of a training step, made once and shared by batches of several lengths."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Arena:
    """Hands out buffers: those asked for in the same order begin at the same place.

    The longest batch comes first; `rewind` before each further one.
    """

    def __init__(self) -> None:
        self._made: list[NDArray[Any]] = []
        self._next = 0

    def rewind(self) -> None:
        """Starts again with the first buffer."""
        self._next = 0

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """The next buffer, a contiguous array of `shape`."""
        size = math.prod(shape)
        if self._next == len(self._made):
            self._made.append(np.empty(size, dtype))
        flat = self._made[self._next]
        self._next += 1
        return flat[:size].reshape(shape)
