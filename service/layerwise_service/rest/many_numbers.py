"""Large JSON bodies of numbers: read by simdjson into one array, without an object for each number.

Only what simdjson and the usual reader understand alike is read here. Everything else is left to the usual reader,
which also finds the place of an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import simdjson
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.json_limits import count_byte

LEAST_BYTES = 2**16
"""Smaller bodies are read as fast in the usual way."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which simdjson would skip


def read_many_numbers(body: bytes, rows_field: str) -> tuple[dict[str, Any], NDArray[np.float64]] | None:
    """Return the other fields of a JSON object, and its rows of numbers (n, k); None if there are no such rows.

    Raises `InvalidRequest` for a field that is given twice.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        return None
    try:
        document = simdjson.Parser().parse(body)
        if not isinstance(document, simdjson.Object):
            return None
        names = list(document.keys())
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise InvalidRequest(f"the key {shown(repeated)} is repeated in one object", reason="INVALID_JSON")
        if rows_field not in names or not isinstance(rows := document[rows_field], simdjson.Array):
            return None
        first: Any = rows[0] if len(rows) else None
        if not isinstance(first, simdjson.Array):
            return None
        width = len(first)
        values: NDArray[np.float64] = np.frombuffer(rows.as_buffer(of_type="d"), np.float64)
        others = {name: _plain(document[name]) for name in names if name != rows_field}
        lists = sum(isinstance(other, list) for other in others.values())
        # as_buffer flattens: as many brackets as rows, and equal lengths, rule out lists in rows
        if count_byte(body, b"[") != len(rows) + 1 + lists or values.size != len(rows) * width:
            return None
        if any(len(row) != width for row in cast("Iterable[Any]", rows)):  # a number has no length
            return None
        return others, values.reshape(len(rows), width)
    except (ValueError, TypeError, RuntimeError):
        return None


def read_numbers(data: bytes) -> NDArray[np.float64] | None:
    """Return the numbers of a list in JSON, nested in any way, in their order; None if it is not one of numbers."""
    try:
        found = simdjson.Parser().parse(data)
        if isinstance(found, simdjson.Array):
            return np.frombuffer(found.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError):
        pass
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Array):
        return cast("list[Any]", value.as_list())
    return value.as_dict() if isinstance(value, simdjson.Object) else value
