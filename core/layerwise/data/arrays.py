"""Checks of arrays of numbers that users pass."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.checks import counted, shown
from layerwise.data.mapped_files import pages_of
from layerwise.errors import InvalidInput, Place

BLOCK_NUMBERS = 2**20
"""Numbers checked at once, 4 to 8 MiB, so that a file larger than memory can be checked."""

REAL = "biuf"
"""The kinds of dtype of real numbers."""


def blocks(rows: int, width: int, numbers: int = BLOCK_NUMBERS) -> Iterator[slice]:
    """Return slices that cover `rows` rows of `width` numbers, about `numbers` numbers each."""
    step = max(1, numbers // max(1, width))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def checked_rows(
    X: ArrayLike, features: int, *, dtype: DTypeLike, pointer: str = "X", finite: bool = True
) -> NDArray[Any]:
    """Return `X` as a numeric array (n, features), without a copy if it is one, memory-mapped or not.

    Raises InvalidInput, naming row and column, for rows of another length, values that are not numbers and, if
    `finite`, numbers that are not finite in `dtype`.
    """
    if _is_valid_array(X, features, dtype):
        return cast("NDArray[Any]", X)  # quoted, because creating the type takes longer than the check
    table = _numeric(cast(object, X), features, pointer)
    if table.shape == (0,):  # an empty list
        table = np.empty((0, features), dtype)
    if table.ndim != 2:
        got = "a flat list; put a single row in a list" if table.ndim == 1 else f"{table.ndim} dimensions"
        raise InvalidInput(pointer, f"expected rows of {counted(features, 'number')}, got {got}")
    if table.shape[1] != features:
        if not len(table):
            raise InvalidInput(pointer, f"expected rows of {counted(features, 'number')}, got shape {table.shape}")
        raise InvalidInput(Place(pointer, 0), f"expected {counted(features, 'number')}, got {table.shape[1]}")
    if finite:
        check_finite(table, dtype=dtype, pointer=pointer)
    return table


def _is_valid_array(X: object, features: int, dtype: DTypeLike) -> bool:
    """Return whether `X` is a small valid array; a fast check for predictions in a service."""
    return (
        type(X) is np.ndarray
        and X.dtype == dtype
        and X.ndim == 2
        and X.shape[1] == features
        and X.size <= BLOCK_NUMBERS
        and bool(np.logical_and.reduce(np.isfinite(X), axis=None))
    )


def checked_values(
    y: ArrayLike, outputs: int, *, rows: int, dtype: DTypeLike, pointer: str, finite: bool
) -> NDArray[Any]:
    """Return the targets `y` of a regression, (n,) or (n, outputs), as (n, outputs). Raises InvalidInput."""
    column = _array(y, pointer)
    flat = column is not None and column.ndim == 1
    if column is not None and flat:
        if outputs != 1:
            raise InvalidInput(pointer, f"expected {outputs} numbers a row, one for each output, got 1")
        if column.dtype.kind not in REAL:
            column = np.array([_number(value, pointer, i) for i, value in enumerate(column.tolist())])
        table = column.reshape(-1, 1)
    else:
        table = checked_rows(y, outputs, dtype=dtype, pointer=pointer, finite=False)
    if len(table) != rows:
        raise InvalidInput(pointer, f"expected {counted(rows, 'row')}, as many as X has, got {len(table)}")
    if finite:
        check_finite(table, dtype=dtype, pointer=pointer, flat=flat)
    return table


def checked_weights(
    weights: ArrayLike, *, rows: int, dtype: DTypeLike = np.float64, pointer: str = "weights"
) -> NDArray[Any]:
    """Return the row `weights` (n,): finite in `dtype`, at least 0, at least one positive. Raises InvalidInput."""
    column = checked_values(weights, 1, rows=rows, dtype=dtype, pointer=pointer, finite=True)[:, 0]
    if (column < 0).any():
        row = int(np.argmax(column < 0))
        raise InvalidInput(Place(pointer, row), f"expected a weight of at least 0, got {column[row]}")
    if not column.astype(dtype, copy=False).any():
        raise InvalidInput(pointer, f"expected at least one weight above 0, all are zero in {np.dtype(dtype)}")
    return column


def check_finite(table: NDArray[Any], *, dtype: DTypeLike, pointer: str, flat: bool = False) -> None:
    """Raise InvalidInput at the first number of `table` (n, k) that is not finite in `dtype`.

    If `flat`, the place is that of a vector: only the row is named.
    """
    if table.dtype.kind != "f":
        return
    pages = pages_of(table)
    for block in blocks(len(table), table.shape[1]):
        with np.errstate(over="ignore"):  # too large for `dtype` becomes infinite, and is reported as such
            finite = np.isfinite(table[block].astype(dtype, copy=False))
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            value = float(table[block][row, column])
            wanted = f"a number within {np.dtype(dtype)}" if np.isfinite(value) else "a finite number"
            index = (block.start + row,) if flat else (block.start + row, column)
            raise InvalidInput(Place(pointer, index), f"expected {wanted}, got {value}")
        if pages:
            pages.release(block)


def check_unmasked(value: object, pointer: Place | str) -> None:
    """Raise InvalidInput if `value` is a masked array, whose mask would be ignored."""
    if isinstance(value, np.ma.MaskedArray):
        raise InvalidInput(pointer, "expected an array without a mask, got a masked one: fill in the masked values")


def _array(X: object, pointer: str) -> NDArray[Any] | None:
    """Return `X` as an array, or None if its rows differ in length."""
    check_unmasked(X, pointer)
    try:
        table = np.asarray(cast(ArrayLike, X))
        if table.dtype.kind in "SU" and not isinstance(X, np.ndarray):
            # keep the 1 in [1, "a"] a number
            table = np.asarray(cast(ArrayLike, X), dtype=object)
    except (ValueError, TypeError, OverflowError):
        return None
    return table


def _numeric(X: object, features: int, pointer: str) -> NDArray[Any]:
    """Return `X` as an array of booleans, integers or floats."""
    table = _array(X, pointer)
    if table is not None and table.dtype.kind in REAL:
        return table
    if table is not None and table.dtype.kind not in "OSU":
        raise InvalidInput(pointer, f"expected real numbers, got {table.dtype}")
    rows = X if table is None else table.tolist() if table.ndim == 2 else X
    if not isinstance(rows, Sequence) or isinstance(rows, str | bytes):
        raise InvalidInput(pointer, f"expected rows of {counted(features, 'number')}, got {shown(X)}")
    return _converted(cast(Sequence[object], rows), features, pointer)


def _converted(rows: Sequence[object], features: int, pointer: str) -> NDArray[Any]:
    """Convert rows value by value, which NumPy could not convert as a whole. Raises InvalidInput at a wrong value."""
    table = np.empty((len(rows), features), np.float64)
    for i, row in enumerate(rows):
        if not isinstance(row, Sequence | np.ndarray) or isinstance(row, str | bytes):
            raise InvalidInput(Place(pointer, i), f"expected {counted(features, 'number')}, got {shown(row)}")
        values = cast("Sequence[object]", row)
        if len(values) != features:
            raise InvalidInput(Place(pointer, i), f"expected {counted(features, 'number')}, got {len(values)}")
        table[i] = [_number(value, pointer, i, j) for j, value in enumerate(values)]
    return table


def _number(value: object, pointer: str, *index: int) -> float:
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(cast(float, value))
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(Place(pointer, index), f"expected a number, got {shown(value)}") from None
