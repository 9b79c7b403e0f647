"""Tables of numbers: what a caller hands over is checked here, and nowhere else."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from layerwise.checks import shown
from layerwise.errors import InvalidInput

BLOCK_NUMBERS = 2**20
"""How many numbers a check reads at once: 4 to 8 MiB, so that a file larger than memory can be checked."""


def blocks(rows: int, width: int, numbers: int = BLOCK_NUMBERS) -> Iterator[slice]:
    """Slices that cover `rows` rows of `width` numbers each, of about `numbers` numbers."""
    step = max(1, numbers // max(1, width))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def checked_rows(
    X: ArrayLike, features: int, *, dtype: DTypeLike, pointer: str = "X", finite: bool = True
) -> NDArray[Any]:
    """`X` as a numeric array (n, features), not copied if it is one already, a memory-mapped file included.

    Raises InvalidInput, naming row and column, for rows of another length, for what is not a number and, unless
    `finite` is false, for what is not finite in `dtype`.
    """
    table = _numeric(X, features, pointer)
    if table.ndim != 2:
        detail = f"expected rows of {features} numbers, got {table.ndim} dimensions; is it one row? Put it into a list"
        raise InvalidInput(pointer, detail)
    if len(table) and table.shape[1] != features:
        raise InvalidInput(f"{pointer}[0]", f"expected {features} numbers, got {table.shape[1]}")
    if finite:
        check_finite(table, dtype=dtype, pointer=pointer)
    return table


def checked_values(
    y: ArrayLike, outputs: int, *, rows: int, dtype: DTypeLike, pointer: str, finite: bool
) -> NDArray[Any]:
    """`y`, (n,) or (n, outputs), as the targets (n, outputs) of a regression. Raises InvalidInput."""
    first = y[0] if isinstance(y, Sequence) and len(cast(Sequence[object], y)) else None
    flat = np.ndim(cast(Any, y)) == 1 if isinstance(y, np.ndarray) or hasattr(y, "dtype") else np.isscalar(first)
    if flat and outputs == 1:
        column = _numeric([[value] for value in cast(Sequence[float], y)] if isinstance(y, Sequence) else y, 1, pointer)
        table = column.reshape(len(column), 1)
    elif flat:
        raise InvalidInput(pointer, f"expected {outputs} numbers a row, for the network has {outputs} outputs, got 1")
    else:
        table = checked_rows(y, outputs, dtype=dtype, pointer=pointer, finite=False)
    if len(table) != rows:
        raise InvalidInput(pointer, f"expected {rows} rows as in X, got {len(table)}")
    if finite:
        check_finite(table, dtype=dtype, pointer=pointer)
    return table


def check_finite(table: NDArray[Any], *, dtype: DTypeLike, pointer: str) -> None:
    """Raises InvalidInput at the first number of `table` (n, k) that is not finite in `dtype`."""
    if table.dtype.kind in "iub":
        return
    for block in blocks(len(table), table.shape[1]):
        with np.errstate(over="ignore"):  # too large for `dtype` becomes infinite, and is reported as such
            finite = np.isfinite(table[block].astype(dtype, copy=False))
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            value = cast(float, table[block][row, column].item())
            wanted = "a finite number" if not np.isfinite(value) else f"a number within {np.dtype(dtype)}"
            raise InvalidInput(f"{pointer}[{block.start + row}][{column}]", f"expected {wanted}, got {value}")


def _numeric(X: object, features: int, pointer: str) -> NDArray[Any]:
    """`X` as an array of booleans, integers or floats."""
    try:
        table = np.asarray(cast(ArrayLike, X))
    except (ValueError, TypeError, OverflowError):  # ragged, or not an array at all
        table = None
    if table is not None and table.dtype.kind in "iufb" and table.dtype.itemsize <= 8:
        return table
    if table is not None and table.dtype.kind not in "OUS":
        raise InvalidInput(pointer, f"expected real numbers, got {table.dtype}")
    rows = table if table is not None and table.ndim == 2 else X
    if not isinstance(rows, Sequence | np.ndarray) or isinstance(rows, str | bytes):
        raise InvalidInput(pointer, f"expected rows of {features} numbers, got {shown(X)}")
    return _converted(cast(Sequence[object], rows), features, pointer)


def _converted(rows: Sequence[object], features: int, pointer: str) -> NDArray[Any]:
    """Rows that NumPy would not take as numbers: converted, or refused at the first that is wrong."""
    table = np.empty((len(rows), features), np.float64)
    for i, row in enumerate(rows):
        if not isinstance(row, Sequence | np.ndarray) or isinstance(row, str | bytes):
            raise InvalidInput(f"{pointer}[{i}]", f"expected {features} numbers, got {shown(row)}")
        values = cast(Sequence[object], row)
        if len(values) != features:
            raise InvalidInput(f"{pointer}[{i}]", f"expected {features} numbers, got {len(values)}")
        for j, value in enumerate(values):
            try:
                if isinstance(value, str | bytes) or value is None:
                    raise TypeError
                table[i, j] = float(cast(float, value))
            except (TypeError, ValueError, OverflowError):
                raise InvalidInput(f"{pointer}[{i}][{j}]", f"expected a number, got {shown(value)}") from None
    return table
