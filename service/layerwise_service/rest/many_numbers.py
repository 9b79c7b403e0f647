"""Large JSON bodies of numbers: read by simdjson into one array, without an object for each number.

Only what simdjson and the usual reader understand alike is read here. Everything else is left to the usual reader,
which also finds the place of an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import simdjson
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise_service.errors import InvalidRequest
from layerwise_service.rest.json_limits import count_byte

LEAST_BYTES = 2**12
"""Smaller bodies are read as fast in the usual way."""
_MOST_KEPT = 2**24  # bytes of a body whose parser is kept: it takes about four times as many
_KEPT_SECONDS = 10.0
_MOST_BESIDES = 100  # fields beside the rows, and values in one of them
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which simdjson would skip


class _Parsers:
    """One parser with its memory, which takes a third of the time of reading a body to get from the system.

    It is kept while large bodies come one after the other, and let go by `forget_parser`.
    """

    def __init__(self) -> None:
        self._kept: simdjson.Parser | None = None
        self._lock = threading.Lock()
        self._used = 0.0

    @contextmanager
    def taken(self, size: int) -> Generator[simdjson.Parser]:
        """Give a parser to the block for a body of `size` bytes."""
        with self._lock:
            parser, self._kept = self._kept or simdjson.Parser(), None
        yield parser
        if size <= _MOST_KEPT:
            with self._lock:
                self._kept, self._used = parser, time.monotonic()

    def forget(self) -> None:
        """Let a parser go that was not used for some seconds."""
        with self._lock:
            if time.monotonic() - self._used > _KEPT_SECONDS:
                self._kept = None


_PARSERS = _Parsers()


def forget_parser() -> None:
    """Free the memory of the parser, if no large body has come for some seconds."""
    _PARSERS.forget()


def read_many_numbers(
    body: bytes, rows_field: str, within: Callable[[int, int], bool]
) -> tuple[dict[str, Any], NDArray[np.float64]] | None:
    """Return the other fields of a JSON object, and its rows of numbers (n, k); None leaves it to the usual reader.

    It is left if it has no such rows, if `within(n, k)` says that they are too many, or if another field is long.
    Raises `InvalidRequest` for a field that is given twice.
    """
    if body.startswith(_BYTE_ORDER_MARK):
        return None
    with _PARSERS.taken(len(body)) as parser:
        return _read(parser, body, rows_field, within)


def _read(
    parser: simdjson.Parser, body: bytes, rows_field: str, within: Callable[[int, int], bool]
) -> tuple[dict[str, Any], NDArray[np.float64]] | None:
    """Nothing of what is returned refers to the parser, which could not be used again otherwise.

    No value becomes an object before it is known that there are not too many of them.
    """
    try:
        document = parser.parse(body)
        if not isinstance(document, simdjson.Object) or len(document) > _MOST_BESIDES:
            return None
        names = list(document.keys())
        if len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            raise InvalidRequest(f"the key {shown(repeated)} is repeated in one object", reason="INVALID_JSON")
        if rows_field not in names or not isinstance(rows := document[rows_field], simdjson.Array):
            return None
        first: Any = rows[0] if len(rows) else None
        if not isinstance(first, simdjson.Array) or not within(len(rows), width := len(first)):
            return None
        if any(len(row) != width for row in cast("Iterable[Any]", rows)):  # a number has no length
            return None
        fields = {name: document[name] for name in names if name != rows_field}
        if not all(map(_is_short, fields.values())):
            return None
        lists = sum(isinstance(value, simdjson.Array) for value in fields.values())
        # as_buffer flattens: as many brackets as rows, and equal lengths, rule out lists in rows
        if count_byte(body, b"[") != len(rows) + 1 + lists:
            return None
        values: NDArray[np.float64] = np.frombuffer(rows.as_buffer(of_type="d"), np.float64)
        if values.size != len(rows) * width:
            return None
        others = {name: _plain(value) for name, value in fields.items()}
        return others, values.reshape(len(rows), width)
    except (ValueError, TypeError, RuntimeError):
        return None


def read_numbers(data: bytes) -> NDArray[np.float64] | None:
    """Return the numbers of a list in JSON, nested in any way, in their order; None if it is not one of numbers."""
    with _PARSERS.taken(len(data)) as parser:
        return _read_list(parser, data)


def _read_list(parser: simdjson.Parser, data: bytes) -> NDArray[np.float64] | None:
    try:
        found = parser.parse(data)
        if isinstance(found, simdjson.Array):
            return np.frombuffer(found.as_buffer(of_type="d"), np.float64)
    except (ValueError, TypeError, RuntimeError):
        pass
    return None


def _is_short(value: Any) -> bool:
    """Return whether a field is one value, or a list or an object of few."""
    if not isinstance(value, simdjson.Object | simdjson.Array):
        return True
    if len(value) > _MOST_BESIDES:
        return False
    within: Iterable[Any] = value if isinstance(value, simdjson.Array) else (value[name] for name in value)
    return not any(isinstance(each, simdjson.Object | simdjson.Array) for each in within)


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Array):
        return cast("list[Any]", value.as_list())
    return value.as_dict() if isinstance(value, simdjson.Object) else value
