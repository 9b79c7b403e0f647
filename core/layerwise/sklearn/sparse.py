"""Sparse matrices: moments of their columns, and rows made dense batch by batch."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from layerwise.data.arrays import blocks
from layerwise.data.row_source import RowSource


def is_sparse(table: object) -> bool:
    """Return whether `table` is a matrix or an array of scipy.sparse."""
    return bool(sparse.issparse(table))


class SparseRows(RowSource):
    """The rows (x - `shift`) / `scale` of a CSR `matrix` (n, k), made dense on demand."""

    def __init__(self, matrix: Any, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        self._matrix, self._shift, self._scale = matrix, shift, scale
        self.shape, self.dtype = matrix.shape, matrix.dtype

    def take(self, rows: NDArray[np.intp] | slice, out: NDArray[Any]) -> None:
        """Copy the rows with these numbers to `out` (m, k)."""
        np.copyto(out, self[rows])

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> NDArray[Any]:
        dense: NDArray[Any] = self._matrix[rows].toarray()
        np.subtract(dense, self._shift, out=dense, casting="same_kind")
        np.divide(dense, self._scale, out=dense, casting="same_kind")
        return dense


def sparse_moments(matrix: Any, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weighted mean and variance (k,) of the columns of a CSR `matrix` (n, k), with row `weights` (n,)."""
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    columns, total = matrix.indices, weights.sum()
    own = np.repeat(weights, np.diff(matrix.indptr))

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        found: Any = np.bincount(columns, weights=values, minlength=matrix.shape[1])
        return np.asarray(found, np.float64)

    values = matrix.data.astype(np.float64)
    mean = sums(own * values) / total
    squares = sums(own * np.square(values - mean[columns])) + (total - sums(own)) * np.square(mean)
    return mean, squares / total


def dense_blocks(matrix: Any) -> Iterator[NDArray[Any]]:
    """Return an iterator over the rows of a CSR `matrix` (n, k) as dense blocks of some MiB."""
    rows, columns = matrix.shape
    return (matrix[block].toarray() for block in blocks(rows, columns))
