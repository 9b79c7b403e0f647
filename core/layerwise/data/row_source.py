"""Tables whose rows are made when they are asked for: of a file larger than memory, or of a sparse matrix."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray


class RowSource(ABC):
    """A table (n, ...) of `dtype` that is read by the numbers of its rows and never held as a whole."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def take(self, rows: NDArray[np.intp], out: NDArray[Any]) -> None:
        """Writes the rows of these numbers into `out` (m, ...), of the table's dtype."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """The rows of these numbers, in new memory."""
        out = np.empty((len(rows), *self.shape[1:]), self.dtype)
        self.take(rows, out)
        return out
