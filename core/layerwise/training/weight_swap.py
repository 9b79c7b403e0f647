"""Temporary exchange of the contents of two vectors."""

import numpy as np

from layerwise.types import Floats


class SwappedContents:
    """A context within which two vectors have each other's contents; without a second vector it does nothing."""

    def __init__(self, vector: Floats, other: Floats | None) -> None:
        self._vector, self._other = vector, other

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    def _swap(self) -> None:
        if self._other is not None:
            kept = self._vector.copy()
            np.copyto(self._vector, self._other)
            np.copyto(self._other, kept)
