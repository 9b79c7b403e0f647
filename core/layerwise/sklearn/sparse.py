"""Sparse matrices: their moments, and their rows made dense batch by batch, never as a whole."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from layerwise.data.arrays import blocks
from layerwise.data.row_source import RowSource


def is_sparse(table: object) -> bool:
    """Whether `table` is a matrix or an array of scipy.sparse."""
    return bool(sparse.issparse(table))


class SparseRows(RowSource):
    """The rows (x - `shift`) / `scale` of a `matrix` (n, k) in CSR form; only those asked for are made dense."""

    def __init__(self, matrix: Any, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        self._matrix, self._shift, self._scale = matrix, shift, scale
        self.shape, self.dtype = matrix.shape, matrix.dtype

    def take(self, rows: NDArray[np.intp] | slice, out: NDArray[Any]) -> None:
        """Writes the rows of these numbers into `out` (m, k)."""
        np.copyto(out, self[rows])

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> NDArray[Any]:
        dense: NDArray[Any] = self._matrix[rows].toarray()
        np.subtract(dense, self._shift, out=dense, casting="same_kind")
        np.divide(dense, self._scale, out=dense, casting="same_kind")
        return dense


def sparse_moments(matrix: Any, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (k,) of the columns of a `matrix` (n, k) in CSR form, its rows counted by `weights` (n,)."""
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
    """The rows of a `matrix` (n, k) in CSR form, some MiB at a time."""
    rows, columns = matrix.shape
    return (matrix[block].toarray() for block in blocks(rows, columns))
