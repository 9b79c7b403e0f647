"""Encoding few rows that come as dicts, as JSON gives them: a function for each column, made once."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from layerwise.activations import Floats
from layerwise.tables.column import FittedColumn, UnusualError

RowsWriter: TypeAlias = Callable[[list[object], Floats], bool]


def rows_writer(columns: Sequence[FittedColumn[Any]]) -> RowsWriter:
    """A function of a list of rows and an array (n, width) of zeros: writes them and says whether it could.

    It could not if a row is no dict of exactly these columns, or a cell is not of the usual kind; then `out` holds
    anything, and the caller reads the table whole, which gives the same bits or the error.
    """
    writers: list[tuple[str, Callable[[Any, Floats], None]]] = []
    start = 0
    for column in columns:
        writers.append((column.name, column.cell_writer(start)))
        start += column.width
    count = len(writers)

    def write(rows: list[object], out: Floats) -> bool:
        try:
            for i, row in enumerate(rows):
                if type(row) is not dict or len(cast(dict[str, object], row)) != count:
                    return False
                target = out[i]
                for name, put in writers:
                    put(row[name], target)
        except (UnusualError, KeyError, ValueError, OverflowError):
            return False
        return True

    return write
