"""A table or an array in memory as a file of JSON Lines, for the service to read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import IO, Any, cast

from layerwise_client._data.arrow import ArrowCategories
from layerwise_client._data.tables import is_table, open_table
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import counted


def write_json_lines(file: IO[str], X: object, y: object = None, *, name: str = "") -> str:
    """Write the rows of `X`, and `y` as a further column if it is not None; return the name of that column, or "".

    It is called `name`, or by a name that no other column has if that is "". `X` is a DataFrame, a mapping of names to
    values, a list of mappings, or an array (n, features), whose columns are called 0, 1, 2 … Raises `InvalidRequest`.
    """
    columns = _columns(X)
    if y is None:
        name = ""
    else:
        name = name or next(each for each in ("target", "y", "true value", "\x7f") if each not in columns)
        columns[name] = _values(y, "y")
    counts = {each: len(values) for each, values in columns.items()}
    if len(set(counts.values())) != 1 or not next(iter(counts.values())):
        told = ", ".join(f"{each} has {counted(count, 'row')}" for each, count in list(counts.items())[:5])
        raise InvalidRequest(f"X: expected columns with equally many rows, at least 1; {told or 'there is none'}")
    for row in zip(*columns.values(), strict=True):
        file.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n")
    return name


def _columns(X: Any) -> dict[str, list[Any]]:
    if is_table(X) and not isinstance(X, Sequence):
        return {name: _values(values, name) for name, values in open_table(X).columns.items()}
    rows = _values(X, "X")
    if rows and isinstance(rows[0], Mapping):
        names = list(dict.fromkeys(str(name) for row in rows for name in row))
        return {name: [_cell(row.get(name)) for row in rows] for name in names}
    if not rows or not all(isinstance(row, list | tuple) for row in rows) or len({len(row) for row in rows}) > 1:
        raise InvalidRequest("X: expected a table, or rows of equally many numbers", pointer="X")
    return {str(feature): [_cell(row[feature]) for row in rows] for feature in range(len(rows[0]))}


def _values(values: Any, what: str) -> list[Any]:
    """Return values as a list of what JSON can hold."""
    if isinstance(values, ArrowCategories):
        return [None if code < 0 else _cell(values.categories[code]) for code in values.codes.tolist()]
    given = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InvalidRequest(f"{what}: expected a list or an array, got {type(values).__name__}", pointer="X")
    return [
        value if isinstance(value, list | tuple | Mapping) else _cell(value)
        for value in cast("Sequence[object]", given)
    ]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | str | int):
        return value
    if hasattr(value, "item"):
        return _cell(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value != value or type(value).__name__ in ("NAType", "NaTType"):  # noqa: PLR0124 – NaN of any kind
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
