"""Tables as users pass them, and their columns.

A table is a mapping of column names to values, a list of mappings, or an object with `columns` and `[name]`, such as a
pandas DataFrame (pandas is never imported).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted, is_unicode, shown
from layerwise.errors import InvalidInput, Place
from layerwise.wording import did_you_mean, readable

Values: TypeAlias = NDArray[Any] | list[object]


@runtime_checkable
class Frame(Protocol):
    """A table with column names and access to each column by name."""

    @property
    def columns(self) -> Any: ...
    def __getitem__(self, name: Any, /) -> Any: ...


TableLike: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]] | Frame


@dataclass(frozen=True, slots=True, eq=False)
class RawColumn:
    """A column as it was given, not yet read as numbers, categories or dates.

    `values` (n,) is an array of booleans, numbers or datetime64, or a list of cells; for a categorical column, codes
    (n,) into `categories`, -1 for a missing value. `start` is the number of rows in earlier blocks, `hint` what the
    error of a cell that cannot be read says besides. `numbers` (n,) are those in the cells if all are plain numbers or
    gaps, and they have been read already.
    """

    name: str
    values: Values
    categories: tuple[object, ...] | None = None
    start: int = 0
    hint: str = ""
    numbers: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def at(self, row: int) -> Place:
        """Return the place of the cell in `row`."""
        return Place("rows", self.start + row, self.name)

    def cell(self, row: int) -> object:
        """Return the value of the cell in `row`."""
        value = cast(object, self.values[row])
        if self.categories is None:
            return value
        code = cast(int, value)
        return self.categories[code] if code >= 0 else None

    def bad_cell(self, row: int, wanted: str, got: object, reason: str = "") -> InvalidInput:
        """Return the error of the cell in `row`: what was `wanted`, and what it has."""
        return InvalidInput(self.at(row), f"expected {wanted}, got {shown(got)}", reason)

    def unreadable_cell(self, row: int, wanted: str, reason: str = "") -> InvalidInput:
        """Return the error of the cell in `row`, which is not what was `wanted`."""
        return InvalidInput(self.at(row), f"expected {wanted}, got {shown(self.cell(row))}{self.hint}", reason)

    def missing_cell(self, row: int, wanted: str) -> InvalidInput:
        """Return the error of a missing value in `row`, if the column does not take missing values."""
        why = "this column had none when it was fitted, or its policy refuses them"
        cell = self.cell(row)
        got = (
            f"{shown(cell)}, which stands for a missing value" if isinstance(cell, str) and cell else "a missing value"
        )
        return InvalidInput(self.at(row), f"expected {wanted}, got {got}; {why}")


def is_table(value: object) -> bool:
    """Return whether `value` is a table rather than rows of numbers."""
    if isinstance(value, np.ndarray):
        return False
    if isinstance(value, list | tuple):
        given = cast(Sequence[object], value)
        return bool(given) and isinstance(given[0], Mapping)
    return isinstance(value, Mapping | Frame)


def several(tables: object) -> Iterable[TableLike]:
    """Return `tables`, an iterable of tables and not a table itself. Raises InvalidInput."""
    if not isinstance(tables, Iterable) or isinstance(tables, Mapping | Frame | str | bytes):
        got = shown(tables)  # pyright: ignore[reportUnknownArgumentType]
        raise InvalidInput("tables", f"expected an iterable of tables, such as a list of them, got {got}")
    return cast(Iterable[TableLike], tables)


def columns_of(
    table: object, names: Sequence[str], *, extra: Collection[str] | None, start: int = 0
) -> list[RawColumn]:
    """Return the columns `names` of `table`. Raises InvalidInput if one is missing or of another length.

    Further columns must be in `extra`; None allows any.
    """
    if isinstance(table, Mapping | Frame) and not isinstance(table, np.ndarray):
        given = names_of(cast(object, table))
        _check_names(given, names, extra, Place("columns"))
        by_name = cast(Mapping[str, object], table)
        columns = [_column(name, by_name[name], start) for name in names]
        for column in columns[1:]:
            if len(column) != len(columns[0]):
                wanted = f"expected {counted(len(columns[0]), 'value')}, as many as column {columns[0].name} has"
                raise InvalidInput(Place("columns", column.name), f"{wanted}, got {len(column)}")
        return columns
    rows = list(_rows(table, start))
    exactly = set(names)
    allowed = None if extra is None else exactly.union(extra)
    for i, row in enumerate(rows):
        if not row.keys() >= exactly or not (allowed is None or allowed.issuperset(row)):
            _check_names(list(row), names, extra, Place("rows", start + i))
    return [RawColumn(name, [row[name] for row in rows], start=start) for name in names]


def names_of(table: object, start: int = 0) -> list[str]:
    """Return the column names of `table`; for a list, those of its first row. Raises InvalidInput."""
    where = Place("columns")
    if isinstance(table, Mapping):
        found = list(cast(Mapping[object, object], table))
    elif isinstance(table, Frame) and not isinstance(table, np.ndarray):
        found = list(cast(Sequence[object], table.columns))
    else:
        where, rows = Place("rows", start), _rows(table, start)
        found = list(cast(Mapping[object, object], next(rows, NO_ROW)))
    for name in found:
        if not isinstance(name, str) or not name or not is_unicode(name):
            raise InvalidInput(where, f"expected text as a column name, got {shown(name)}")
    names = cast(list[str], found)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInput(where, f"expected distinct column names, got {shown(twice)} twice")
    return names


NO_ROW: Mapping[str, object] = {}


def _rows(table: object, start: int) -> Iterator[Mapping[str, object]]:
    if not isinstance(table, Sequence) or isinstance(table, str | bytes):
        wanted = "expected a mapping of column names to values, a list of mappings, or a DataFrame"
        raise InvalidInput("table", f"{wanted}, got {shown(table)}")
    for i, row in enumerate(cast(Sequence[object], table)):
        if not isinstance(row, Mapping):
            raise InvalidInput(
                Place("rows", start + i), f"expected a mapping of column names to values, got {shown(row)}"
            )
        yield cast(Mapping[str, object], row)


def _check_names(given: Sequence[str], names: Sequence[str], extra: Collection[str] | None, where: Place) -> None:
    there, known = set(given), set(names)
    for name in names:
        if name not in there:
            near = did_you_mean(name, (each for each in given if each not in known))
            detail = f"the column {shown(name)} is missing; there are {_text_list(given)}{near}"
            raise InvalidInput(Place(where, name), detail, "MISSING_COLUMN")
    if extra is None:
        return
    for name in given:
        if name not in known and name not in extra:
            raise InvalidInput(
                Place(where, name if len(str(name)) <= 60 else shown(name)),
                f"unknown column; expected one of {_text_list(names)}",
                "UNKNOWN_COLUMN",
            )


def _text_list(names: Sequence[str]) -> str:
    return ", ".join(map(readable, names[:20])) + (", …" if len(names) > 20 else "") if names else "none"


def _column(name: str, given: Any, start: int) -> RawColumn:
    """Return one column of a mapping or a DataFrame."""
    dtype = getattr(given, "dtype", None)
    if hasattr(given, "cat") and hasattr(given.cat, "codes"):
        return RawColumn(name, np.asarray(given.cat.codes), tuple(given.cat.categories.tolist()), start)
    if isinstance(given, list | tuple):
        return RawColumn(name, list(cast(Sequence[object], given)), start=start)
    if not isinstance(given, np.ndarray) and hasattr(given, "to_numpy"):
        if str(dtype).startswith("datetime64"):
            given = given.to_numpy(dtype="M8[us]")  # with a time zone too, as UTC
        elif getattr(dtype, "kind", "O") in "iuf" and hasattr(dtype, "na_value"):  # one of the nullable types
            given = given.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            given = given.to_numpy()
    if not isinstance(given, np.ndarray):
        if isinstance(given, str | bytes) or not isinstance(given, Sequence):
            raise InvalidInput(Place("columns", name), f"expected a list of values, got {shown(given)}")
        given = list(cast(Sequence[object], given))
        return RawColumn(name, given, start=start)
    array = cast(NDArray[Any], given)
    if array.ndim != 1:
        raise InvalidInput(Place("columns", name), f"expected one value a row, got {counted(array.ndim, 'dimension')}")
    if array.dtype.kind in "cmV":
        raise InvalidInput(Place("columns", name), f"expected numbers, texts, booleans or dates, got {array.dtype}")
    if isinstance(array, np.ma.MaskedArray):
        return RawColumn(name, _unmasked(array), start=start)
    return RawColumn(name, array if array.dtype.kind in "biufM" else array.tolist(), start=start)


def _unmasked(array: "np.ma.MaskedArray[Any, np.dtype[Any]]") -> Values:
    """Return the values of `array` (n,) with masked ones as missing."""
    if array.dtype.kind in "fM":
        missing = np.nan if array.dtype.kind == "f" else np.datetime64("NaT", "s")
        return cast(NDArray[Any], array.filled(missing))
    # integers stay integers: they may be categories
    return cast(Values, array.tolist() if np.ma.is_masked(array) or array.dtype.kind not in "biu" else array.data)
