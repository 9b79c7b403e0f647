"""Tables of named columns (a DataFrame, mappings), checked and read in blocks of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from layerwise_client._data.arrow import ArrowCategories, arrow_columns, is_arrow
from layerwise_client._data.cells import Cell
from layerwise_client._data.columns import open_values
from layerwise_client._data.masks import refuse_masked
from layerwise_client._data.names import names_of
from layerwise_client._data.places import invalid
from layerwise_client._data.table_rows import TableRows
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise.tables.doubt import Doubt


@dataclass(frozen=True, slots=True)
class UncheckedTable:
    """A table as the user gave it: its columns by name, in their order; their values have not been checked."""

    count: int
    columns: Mapping[str, object]
    doubts: Sequence[Doubt] = ()
    """What was changed in the names of the columns."""

    def without(self, name: str, what: str) -> tuple[UncheckedTable, object]:
        """Return the table without the column `name`, and this column's values; `what` is the argument that names it.

        Raises `InvalidRequest`.
        """
        self.check_names([name], what)
        rest = {each: values for each, values in self.columns.items() if each != name}
        if not rest:
            raise InvalidRequest(f"X has no column beside {name}", pointer="X")
        return replace(self, columns=rest), self.values_of(name)

    def values_of(self, name: str) -> object:
        """Return the values of the column `name` as an array, a Series or a list."""
        values = self.columns[name]
        return values.take(0, self.count) if isinstance(values, FieldOfRows | ArrowCategories) else values

    def check_names(self, names: Sequence[str], what: str) -> None:
        """Raise `InvalidRequest` for the first of `names` that is no column; `what` is the argument with the names."""
        for name in names:
            if name not in self.columns:
                raise InvalidRequest(
                    f"{what}: X has no column {name!r}; its columns are {listed(self.columns)}", pointer=what
                )

    def opened(self, *, kinds: Mapping[str, str]) -> TableRows:
        """Check the values of each column, so that the whole column travels as one type. Raises `InvalidRequest`.

        `kinds` says what a column holds: "number", "category" or "date"; "" if its values decide, which must then be of
        one type. A column that it does not name may hold anything.
        """
        columns = [open_values(name, values, self.count, kind=kinds.get(name)) for name, values in self.columns.items()]

        def take(start: int, stop: int) -> list[npt.NDArray[np.float64] | list[str] | list[Cell]]:
            return [column.take(start, stop) for column in columns]

        types = tuple(column.type for column in columns)
        unnamed = {doubt.column for doubt in self.doubts if doubt.reason == "NO_NAME" and doubt.column}
        return TableRows(self.count, tuple(self.columns), take, types, unnamed)


@dataclass(frozen=True, slots=True)
class FieldOfRows:
    """Values of one field, by name or by index, in a list of rows."""

    rows: Sequence[Any]
    name: str | int

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, start: int, stop: int) -> list[object]:
        return [row[self.name] for row in self.rows[start:stop]]


def is_table(X: object) -> bool:
    """Return whether `X` has named columns: a mapping, a list of mappings, a DataFrame, or a structured array."""
    if isinstance(X, Mapping) or is_arrow(X):
        return True
    if getattr(getattr(X, "dtype", None), "names", None):
        return True
    if _is_list(X):
        return bool(X) and isinstance(X[0], Mapping)
    return hasattr(X, "columns") and hasattr(X, "__getitem__")


def open_table(X: object, known: Collection[str] = ()) -> UncheckedTable:
    """Return the columns of `X`, a table by `is_table`; checks names and lengths, reads no values.

    Names become as `column_names` of the library has them; those in `known` stay as they are.
    """
    if isinstance(X, Mapping):
        mapping = cast("Mapping[object, object]", X)
        given = _of_columns(list(mapping), list(mapping.values()), known)
    elif _is_list(X):
        given = _of_rows(X, known)
    elif is_arrow(X):
        given = _of_columns(*arrow_columns(X), known)
    elif names := getattr(getattr(X, "dtype", None), "names", None):
        given = _of_columns(list(names), [cast(Any, X)[name] for name in names], known)
    else:
        frame = cast(Any, X)
        if hasattr(frame, "collect"):
            raise InvalidRequest("X: a LazyFrame has no rows yet: pass X.collect()", pointer="X")
        names = list(frame.columns)
        if hasattr(frame, "iloc"):  # by position: another index than numbers is no way to a column
            given = _of_columns(names, [frame.iloc[:, index] for index in range(len(names))], known)
        else:
            given = _of_columns(names, [frame[name] for name in names], known)
    if given.count == 0:
        raise InvalidRequest("X has no rows", reason="EMPTY_BATCH", pointer="X")
    return given


def positional(X: object, names: Sequence[str]) -> UncheckedTable:
    """Name the values of rows (n, columns) without names. Raises `InvalidRequest` for a row of another length."""
    import numpy as np

    refuse_masked(X, "X")
    kind = type(X).__name__
    rows = cast("Sequence[Sequence[object]]", X if isinstance(X, Sequence) else np.asarray(X))
    if getattr(rows, "ndim", 2) == 0:
        wanted = f"expected rows of {len(names)} values in the order of the columns {listed(names)}"
        raise invalid("X", f"{wanted}, got {kind}")
    for index, row in enumerate(rows):
        if isinstance(row, str | bytes) or not hasattr(row, "__len__") or len(row) != len(names):
            got = f"{len(row)}" if hasattr(row, "__len__") and not isinstance(row, str | bytes) else "no row"
            wanted = f"expected {len(names)} values in the order of the columns {listed(names)}"
            raise invalid(("X", index), f"{wanted}; got {got}", reason="WRONG_FEATURE_COUNT")
    if isinstance(rows, np.ndarray):
        array = cast("npt.NDArray[Any]", rows)
        return _of_columns(list(names), [array[:, index] for index in range(len(names))], names)
    return _of_columns(list(names), [FieldOfRows(rows, index) for index in range(len(names))], names)


def listed(names: Mapping[str, object] | Sequence[str]) -> str:
    """Return the first 20 names for a message."""
    shown = list(names)
    return ", ".join(shown[:20]) + (f" and {len(shown) - 20} more" if len(shown) > 20 else "")


def _is_list(X: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(X, Sequence) and not isinstance(X, str | bytes)


def _of_columns(given: list[object], values: list[object], known: Collection[str]) -> UncheckedTable:
    if not given:
        raise InvalidRequest("X has no columns", pointer="X")
    names, doubts = names_of(given, known)
    columns: dict[str, object] = {}
    first = ""
    for name, each in zip(names, values, strict=True):
        if isinstance(each, str | bytes) or not hasattr(each, "__len__") or getattr(each, "ndim", 1) == 0:
            raise invalid(("X", name), f"expected a list of values, got {type(each).__name__}")
        columns[name] = each
        first = first or name
        count, wanted = len(cast("Sequence[object]", each)), len(cast("Sequence[object]", columns[first]))
        if count != wanted:
            raise invalid(("X", name), f"expected {wanted} values, as many as column {first} has, got {count}")
    return UncheckedTable(len(cast("Sequence[object]", columns[first])), columns, doubts)


def _of_rows(rows: Sequence[Any], known: Collection[str]) -> UncheckedTable:
    keys = rows[0].keys()
    if not keys:
        raise invalid(("X", 0), "expected values by the names of columns, got none")
    names, doubts = names_of(list(keys), known)
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise invalid(("X", index), f"expected a mapping of column names to values, got {type(row).__name__}")
        if row.keys() != keys:
            raise _uneven(rows, min(row.keys() ^ keys, key=str))
    columns = {name: FieldOfRows(rows, key) for name, key in zip(names, keys, strict=True)}
    return UncheckedTable(len(rows), columns, doubts)


def _uneven(rows: Sequence[Mapping[object, object]], name: object) -> InvalidRequest:
    """Return the error for rows of which only some have this name: with the first of those that are fewer."""
    having = [name in row for row in rows]
    has, lacks = having.index(True), having.index(False)
    if 2 * sum(having) >= len(having):
        detail = f"expected a value as in row {has}, got nothing; None says that it is missing"
        return invalid(("X", lacks, str(name)), detail)
    detail = f"X row {has}: column {name} is in {sum(having)} of {len(having)} rows; None says that a value is missing"
    return InvalidRequest(detail, pointer=("X", has, str(name)))
