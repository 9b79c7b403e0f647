"""Encoding few rows that come as dicts, as JSON gives them: a function for each column, made once."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias, cast

from layerwise.tables.column import FittedColumn, UnusualError
from layerwise.types import Floats

RowsWriter: TypeAlias = Callable[[list[object], Floats], bool]


def rows_writer(columns: Sequence[FittedColumn[Any]], extra: Collection[str] | None = ()) -> RowsWriter:
    """A function of a list of rows and an array (n, width) of zeros: writes them and says whether it could.

    It could not if a row is no dict of these columns, with some of `extra` or, if that is None, any others, or if a
    cell is not of the usual kind. Then `out` holds anything, and the caller reads the table whole, which gives the same
    bits or the error.
    """
    writers: list[tuple[str, Callable[[Any, Floats], None]]] = []
    start = 0
    for column in columns:
        writers.append((column.name, column.cell_writer(start)))
        start += column.width
    count = len(writers)
    allowed = None if extra is None else {name for name, _ in writers}.union(extra)

    def write(rows: list[object], out: Floats) -> bool:
        try:
            for i, row in enumerate(rows):
                if type(row) is not dict:
                    return False
                cells = cast(dict[str, object], row)
                if len(cells) != count and allowed is not None and not allowed.issuperset(cells):
                    return False
                target = out[i]
                for name, put in writers:
                    put(cells[name], target)
        except (UnusualError, KeyError, ValueError, OverflowError):
            return False
        return True

    return write
