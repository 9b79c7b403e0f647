"""The size of a JSON body in objects, counted over its bytes: a limit has to hold before the objects are made.

A row of one number is 4 bytes of JSON and 150 of memory, and nothing else runs while millions of them are made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerwise_service.errors import TooLarge

_QUOTE = ord('"')
_BESIDE = 2  # commas beside the instances: of model and version


def check_rows(body: bytes, *, most_rows: int, most_values: int, most_in_row: int) -> None:
    """Raise `TooLarge` for a body of more than `most_rows` rows or `most_values` values in them.

    So it does for rows of more than `most_in_row` values on average. It looks at large bodies only: the smallest row,
    `[]`, takes three bytes with its comma, the smallest value two. Objects and lists within the cells of rows count as
    rows, which no model takes anyway.
    """
    if len(body) <= min(3 * most_rows, 2 * most_values):
        return
    refusal = _refusal(body, most_rows, most_values, most_in_row)
    if refusal is not None and b'"' in body:  # which may be due to brackets and commas in texts
        refusal = _refusal(_without_texts(body), most_rows, most_values, most_in_row)
    if refusal is not None:
        raise refusal


def _refusal(body: bytes, most_rows: int, most_values: int, most_in_row: int) -> TooLarge | None:
    rows = body.count(b"[") + body.count(b"{") - 2  # without the body's object and its list of instances
    if rows > most_rows:
        detail = f"a request may have at most {most_rows} rows, this one has {rows}"
        return TooLarge(f"{detail}; send them in several requests", pointer="instances", reason="TOO_MANY_ROWS")
    values = body.count(b",") + 1 if len(body) > 2 * min(most_values, most_in_row) else 0
    if values > max(1, rows) * most_in_row + _BESIDE:
        detail = f"a row may have at most {most_in_row} values, these have more on average"
        return TooLarge(detail, pointer="instances", reason="TOO_MANY_VALUES")
    if values > most_values + _BESIDE:
        detail = f"the rows of a request may have at most {most_values} values together, these have about {values}"
        return TooLarge(f"{detail}; send them in several requests", pointer="instances", reason="TOO_MANY_VALUES")
    return None


def _without_texts(body: bytes) -> bytes:
    """The bytes that stand outside of strings."""
    data = np.frombuffer(body.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    quotes = data == _QUOTE
    outside: NDArray[np.bool_] = ~(np.bitwise_xor.accumulate(quotes) | quotes)
    return data[outside].tobytes()
