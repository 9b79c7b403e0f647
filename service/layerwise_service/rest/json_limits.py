"""Limits on the rows and values of a JSON body, counted in its bytes, before any objects are made.

A row of one number takes 4 bytes of JSON and 150 of memory, and nothing else runs while millions of them are decoded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwise_service.errors import TooLarge

_QUOTE = ord('"')
_CHUNK = 2**16  # bytes that stay in the cache of a core
_BESIDES = 8  # lists and objects beside the rows, as some forms have them: what is left is counted when it is decoded
_FIELD_COMMAS = 2  # between the top-level fields of a request


def check_rows(body: bytes, *, most_rows: int, most_values: int, most_in_row: int, at: str = "instances") -> None:
    """Raise `TooLarge` for too many rows, too many values, or more than `most_in_row` values a row on average.

    `at` is the place of the rows, for errors.

    Small bodies pass unread: the smallest row, `[]`, takes three bytes with its comma, the smallest value two. Objects
    and lists inside of rows count as rows; no model takes them anyway.
    """
    if len(body) <= min(3 * most_rows, 2 * most_values):
        return
    refusal = _refusal(body, most_rows, most_values, most_in_row, at)
    if refusal is not None and b'"' in body:  # brackets and commas in strings may have been counted
        refusal = _refusal(_without_texts(body), most_rows, most_values, most_in_row, at)
    if refusal is not None:
        raise refusal


def _refusal(body: bytes, most_rows: int, most_values: int, most_in_row: int, at: str) -> TooLarge | None:
    rows = count_byte(body, b"[") + count_byte(body, b"{") - 2  # minus the outer object and the `instances` list
    if rows > most_rows + _BESIDES:
        detail = f"expected at most {most_rows} rows, got {rows}"
        return TooLarge(f"{detail}; send them in several requests", pointer=at, reason="TOO_MANY_ROWS")
    values = count_byte(body, b",") + 1 if len(body) > 2 * min(most_values, most_in_row) else 0
    if values > max(1, rows) * most_in_row + _FIELD_COMMAS:
        detail = f"expected at most {most_in_row} values a row, got more on average"
        return TooLarge(detail, pointer=at, reason="TOO_MANY_VALUES")
    if values > most_values + _FIELD_COMMAS:
        detail = f"expected at most {most_values} values in all rows together, got about {values}"
        return TooLarge(f"{detail}; send them in several requests", pointer=at, reason="TOO_MANY_VALUES")
    return None


def count_byte(data: bytes, byte: bytes) -> int:
    """Return how often `byte` is in `data`; where there are many, this is ten times as fast as `bytes.count`."""
    view, wanted = np.frombuffer(data, np.uint8), byte[0]
    return sum(int(np.count_nonzero(view[start : start + _CHUNK] == wanted)) for start in range(0, len(view), _CHUNK))


def _without_texts(body: bytes) -> bytes:
    """Return the bytes outside of strings."""
    data = np.frombuffer(body.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    quotes = data == _QUOTE
    outside: NDArray[np.bool_] = ~(np.bitwise_xor.accumulate(quotes) | quotes)
    return data[outside].tobytes()
