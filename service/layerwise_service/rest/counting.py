"""The size of a JSON body in objects, counted over its bytes: a limit has to hold before the objects are made.

A row of one number is 4 bytes of JSON and 150 of memory, and nothing else runs while millions of them are made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwise_service.errors import TooLarge

_QUOTE, _COMMA, _BRACE = ord('"'), ord(","), ord("{")
_LETTER_CASE = 0x20  # the bit by which "[" differs from "{"


def check_rows(body: bytes, *, most_rows: int, most_values: int) -> None:
    """Raise `TooLarge` for a body with more rows than `most_rows`, or with rows of more than `most_values` on average.

    It looks at large bodies only: the smallest row, `[]`, takes three bytes with its comma. Objects and lists within
    the cells of rows count as rows, which no model takes anyway.
    """
    if len(body) <= 3 * most_rows:
        return
    refusal = _refusal(np.frombuffer(body, np.uint8), most_rows, most_values)
    if refusal is not None and b'"' in body:  # which may be due to brackets and commas in texts
        refusal = _refusal(_without_texts(body), most_rows, most_values)
    if refusal is not None:
        raise refusal


def _refusal(data: NDArray[np.uint8], most_rows: int, most_values: int) -> TooLarge | None:
    # without the body's object and its list of instances
    rows = int(np.count_nonzero((data | _LETTER_CASE) == _BRACE)) - 2
    if rows > most_rows:
        detail = f"a request may have at most {most_rows} rows, this one has {rows}"
        return TooLarge(f"{detail}; send them in several requests", pointer="instances", reason="TOO_MANY_ROWS")
    most = max(1, rows) * most_values
    if len(data) > 2 * most and np.count_nonzero(data == _COMMA) > most:
        detail = f"a row may have at most {most_values} values, these have more on average"
        return TooLarge(detail, pointer="instances", reason="TOO_MANY_VALUES")
    return None


def _without_texts(body: bytes) -> NDArray[np.uint8]:
    """The bytes that stand outside of strings."""
    data = np.frombuffer(body.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    quotes = data == _QUOTE
    outside: NDArray[np.bool_] = ~(np.bitwise_xor.accumulate(quotes) | quotes)
    return data[outside]
