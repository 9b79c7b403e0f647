"""Tables of Arrow: whatever has `__arrow_c_stream__`, such as those of Polars, pyarrow and DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from layerwise_client._data.places import invalid
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


_FLOATS = {"HALF_FLOAT": "f2", "FLOAT": "f4", "DOUBLE": "f8"}
_NUMBERS = (*_FLOATS, "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_UNREADABLE = ("STRUCT", "LIST", "LARGE_LIST", "FIXED_SIZE_LIST", "MAP", "DENSE_UNION", "SPARSE_UNION", "DURATION")


@dataclass(frozen=True, slots=True)
class ArrowCategories:
    """A column of `codes` (rows,) into `categories`, -1 where the value is missing."""

    codes: Array
    categories: list[object]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, start: int, stop: int) -> list[object]:
        """Return the category of each of these rows, None where the value is missing."""
        of_code = [*self.categories, None]
        return [of_code[code] for code in self.codes[start:stop].tolist()]


def is_arrow(X: object) -> bool:
    """Return whether `X` is a table of Arrow. pandas has a way of its own, which needs no further package."""
    return hasattr(X, "__arrow_c_stream__") and not hasattr(X, "iloc")


def arrow_columns(X: object) -> tuple[list[object], list[object]]:
    """Return the names and the values of the columns of `X`.

    Values are arrays of floats or whole numbers, `ArrowCategories`, or lists of Python's own objects. Raises
    `InvalidRequest`.
    """
    nanoarrow: Any = import_module("nanoarrow")  # on demand: most callers have no table of Arrow
    try:
        table = nanoarrow.ArrayStream(X).read_all()
    except Exception as exc:
        raise InvalidRequest(f"X: the {type(X).__name__} cannot be read: {exc}", pointer="X") from exc
    if table.schema.type != nanoarrow.Type.STRUCT:
        raise InvalidRequest(f"X: expected a table, got one column of {table.schema.type.name.lower()}", pointer="X")
    names = [field.name for field in table.schema.fields]
    columns = [
        _viewed(X, field) if _has_views(field) else _values(field.name, table.child(index))
        for index, field in enumerate(table.schema.fields)
    ]
    return cast("list[object]", names), columns


def _has_views(field: Any) -> bool:
    """Return whether the texts of a column are views. nanoarrow 0.9 corrupts memory when it copies long ones."""
    kinds = (field.type.name, field.value_type.type.name if field.type.name == "DICTIONARY" else "")
    return any(kind.endswith("_VIEW") for kind in kinds)


def _viewed(X: Any, field: Any) -> object:
    """Return a column of texts that are views as the table's own library lists it: Polars, pyarrow."""
    try:
        column = X[field.name]
        values = column.to_list() if hasattr(column, "to_list") else column.to_pylist()
    except Exception as exc:
        detail = f"the texts of the {type(X).__name__} cannot be read: make it a list, or of type large_string"
        raise invalid(("X", field.name), detail) from exc
    return _categories(values) if field.type.name == "DICTIONARY" else values


def _values(name: str, column: Any) -> object:
    import numpy as np

    nanoarrow: Any = import_module("nanoarrow")
    kind = column.schema.type.name
    if kind == "DICTIONARY":
        return _categories(column.to_pylist())
    if kind == "NULL":  # nanoarrow refuses that of Polars
        return [None] * len(column)
    if kind in _NUMBERS:
        numbers = np.asarray(column.to_pysequence(handle_nulls=nanoarrow.nulls_as_sentinel()), _FLOATS.get(kind))
        if (numbers.dtype.kind == "f") == (kind in _FLOATS):  # else they are whole numbers with gaps
            return numbers
    if kind in _UNREADABLE:
        hint = "; divide it by a unit to get numbers" if kind == "DURATION" else ""
        raise invalid(("X", name), f"expected numbers, texts, booleans, dates or times, got {kind.lower()}{hint}")
    return column.to_pylist()


def _categories(values: list[object]) -> ArrowCategories:
    import numpy as np

    codes: dict[object, int] = {}
    found = (-1 if value is None else codes.setdefault(value, len(codes)) for value in values)
    return ArrowCategories(np.fromiter(found, np.intp, len(values)), list(codes))
