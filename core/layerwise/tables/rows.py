"""Fast encoding of a few rows given as dicts, as in JSON, by one function for each column."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias, cast

from layerwise.tables.column import CellWriter, FittedColumn, UnusualError
from layerwise.types import Floats

UnusualCells: TypeAlias = list[tuple[int, int, str]]
"""Cells that are unlike those of the fit: the row, the column and the reason."""
RowsWriter: TypeAlias = Callable[[list[object], Floats], UnusualCells | None]


def rows_writer(columns: Sequence[FittedColumn[Any, Any]], extra: Collection[str] | None = ()) -> RowsWriter:
    """Return a function that encodes a list of rows into an array (n, width) of zeros and returns the unusual cells.

    It returns None if a row is not a dict with these columns, and no others than `extra` (any if that is None), or if a
    cell is not of the usual type. `out` is then undefined, and the caller reads the table column by column, which gives
    the same bits or an error.
    """
    writers: list[tuple[str, CellWriter, int]] = []
    start = 0
    for index, column in enumerate(columns):
        writers.append((column.name, column.cell_writer(start), index))
        start += column.width
    count = len(writers)
    allowed = None if extra is None else {name for name, _, _ in writers}.union(extra)

    def write(rows: list[object], out: Floats) -> UnusualCells | None:
        unusual: UnusualCells = []
        try:
            for i, row in enumerate(rows):
                if type(row) is not dict:
                    return None
                cells = cast(dict[str, object], row)
                if len(cells) != count and allowed is not None and not allowed.issuperset(cells):
                    return None
                target = out[i]
                for name, put, index in writers:
                    if reason := put(cells[name], target):
                        unusual.append((i, index, reason))
        except (UnusualError, KeyError, ValueError, OverflowError):
            return None
        return unusual

    return write
