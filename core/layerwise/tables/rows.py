"""Fast encoding of a few rows given as dicts, as in JSON, by one function for each column."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias, cast

from layerwise.tables.column import FittedColumn, UnusualError
from layerwise.types import Floats

RowsWriter: TypeAlias = Callable[[list[object], Floats], bool]


def rows_writer(columns: Sequence[FittedColumn[Any, Any]], extra: Collection[str] | None = ()) -> RowsWriter:
    """Return a function that encodes a list of rows into an array (n, width) of zeros and returns whether it could.

    It cannot if a row is not a dict with these columns, and no others than `extra` (any if that is None), or if a cell
    is not of the usual type. `out` is then undefined, and the caller reads the table column by column, which gives the
    same bits or an error.
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
