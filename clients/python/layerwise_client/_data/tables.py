"""Tables of named columns (a DataFrame, mappings), checked and read in blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from layerwise_client._data.arrow import arrow_columns, is_arrow
from layerwise_client._data.cells import Cell, refused, text_of
from layerwise_client._data.columns import open_values
from layerwise_client._data.masks import refuse_masked
from layerwise_client._data.names import names_of
from layerwise_client._data.places import invalid
from layerwise_client._data.rows import IN_RANGE
from layerwise_client.errors import InvalidRequest
from layerwise_proto.v1 import tables_pb2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from layerwise_client._data.targets import Chosen


@dataclass(frozen=True, slots=True, eq=False)
class TableBlock:
    """Some rows of a table, as they travel.

    `values` has for each of the `names` an array (rows,) of numbers, NaN where one is missing, or a list of texts, ""
    where one is missing, among which numbers may be. `types` says what they are: "number", "whole",
    "boolean" (the numbers 1 and 0), "category", "date" or "time", or "" for texts that may be anything.
    """

    names: tuple[str, ...]
    values: Sequence[npt.NDArray[np.float64] | list[str] | list[Cell]]
    types: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.values[0])

    def chosen(self, rows: Chosen) -> TableBlock:
        """Return the block with these of its rows."""
        if isinstance(rows, slice):
            return self
        own = rows.tolist()
        values = [list(compress(each, own)) if isinstance(each, list) else each[rows] for each in self.values]
        return replace(self, values=values)

    def message(self) -> tables_pb2.Table:
        """Return the rows as gRPC sends them."""
        table = tables_pb2.Table()
        types = self.types or ("",) * len(self.names)
        for name, type_, values in zip(self.names, types, self.values, strict=True):
            number = tables_pb2.ColumnType.Value(f"COLUMN_TYPE_{(type_ or 'unspecified').upper()}")
            column = table.columns.add(name=name, type=number)
            if not isinstance(values, list):
                column.numbers.values.extend(values.tolist())
            elif set(map(type, values)) == {str}:
                column.texts.values.extend(cast("list[str]", values))
            else:
                column.texts.values.extend(map(text_of, values))
                column.texts.typed.extend(row for row, cell in enumerate(values) if not isinstance(cell, str))
        return table

    def instances(self) -> list[dict[str, object]]:
        """Return the rows as REST sends them: objects by the names of the columns, None where a value is missing."""
        columns: list[list[object]] = []
        for values, type_ in zip(self.values, self.types or ("",) * len(self.names), strict=True):
            if isinstance(values, list):
                columns.append([None if cell == "" else cell for cell in values])
                continue
            as_json = bool if type_ == "boolean" else float
            columns.append([None if number != number else as_json(number) for number in values.tolist()])  # noqa: PLR0124
        return [dict(zip(self.names, row, strict=True)) for row in zip(*columns, strict=True)]


_BINARY = 8  # bytes of a number, at most, unless it is written as text


@dataclass(frozen=True, slots=True)
class TableRows:
    """`count` rows of the columns `names`, read block by block.

    `take(start, stop)` returns these rows of every column, as in a `TableBlock`; of a file, only in their order.
    `types` are those of a `TableBlock`.
    """

    count: int
    names: tuple[str, ...]
    take: Callable[[int, int], Sequence[npt.NDArray[np.float64] | list[str] | list[Cell]]]
    types: Sequence[str] = ()

    @property
    def fitted(self) -> int:
        """Number of values that an encoder is fitted on."""
        return self.count * len(self.names)

    def row_bytes(self, number_bytes: int) -> int:
        """Return the approximate size of a row in a message; over REST, where numbers are text, with the names."""
        written = number_bytes > _BINARY
        return sum(len(name) + 6 + number_bytes if written else 2 * number_bytes for name in self.names)

    def block(self, start: int, stop: int) -> TableBlock:
        """Return rows `start` to `stop`. Raises `InvalidRequest`, with row and column, for what cannot be sent."""
        values = self.take(start, stop)
        for name, each in zip(self.names, values, strict=True):
            _check(name, each, start)
        return TableBlock(self.names, values, self.types)


@dataclass(frozen=True, slots=True)
class UncheckedTable:
    """A table as the user gave it: its columns by name, in their order; their values have not been checked."""

    count: int
    columns: Mapping[str, object]
    doubts: Sequence[str] = ()
    """What was changed in the names of the columns."""

    def without(self, name: str, what: str) -> tuple[UncheckedTable, object]:
        """Return the table without the column `name`, and this column's values; `what` is the argument that names it.

        Raises `InvalidRequest`.
        """
        self.check_names([name], what)
        rest = {each: values for each, values in self.columns.items() if each != name}
        if not rest:
            raise InvalidRequest(f"X has no column beside {name}", pointer="X")
        values = self.columns[name]
        return replace(self, columns=rest), values.take(0, self.count) if isinstance(values, FieldOfRows) else values

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

        return TableRows(self.count, tuple(self.columns), take, tuple(column.type for column in columns))


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


def _check(name: str, values: npt.NDArray[np.float64] | list[str] | list[Cell], start: int) -> None:
    """Raise an error for the first value that is infinite, out of float32's range, or not UTF-8."""
    import numpy as np

    from layerwise.tables.reading import FLOAT32_MAX

    if isinstance(values, list):
        try:
            "".join(map(str, values)).encode()
        except UnicodeEncodeError as exc:
            row = next(
                row for row, cell in enumerate(values) if any(0xD800 <= ord(each) < 0xE000 for each in str(cell))
            )
            raise refused(name, start + row, "text that UTF-8 can hold", values[row]) from exc
        return
    beyond = np.abs(values) > FLOAT32_MAX
    if beyond.any():
        row = int(np.argmax(beyond))
        wanted = "a finite number" if np.isinf(values[row]) else IN_RANGE
        raise refused(name, start + row, wanted, float(values[row]))
