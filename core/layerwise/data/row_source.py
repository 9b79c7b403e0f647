"""Tables whose rows are produced on demand: from a file larger than memory, or a sparse matrix."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RowSource(ABC):
    """A table (n, ...) of `dtype` that is read by row number and never held as a whole."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def take(self, rows: NDArray[np.intp], out: NDArray[Any]) -> None:
        """Copy the rows with these numbers to `out` (m, ...), of the table's dtype."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return the rows with these numbers, in new memory."""
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        self.take(rows, out)
        return out
