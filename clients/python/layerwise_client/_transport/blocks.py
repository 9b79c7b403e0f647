"""Rows in messages of about the same size, whatever the length of their texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from layerwise_client._data.places import invalid
from layerwise_client._transport.connection import MESSAGE_BYTES

if TYPE_CHECKING:
    from google.protobuf.message import Message

    M = TypeVar("M", bound=Message)

TABLE_BYTES = 1 << 20  # of a table; its texts take about thirty times as much memory as Python objects
_BLOCK_ROWS = 65_536  # most rows of a message, since labels can be larger than narrow rows


def messages(
    count: int, make: Callable[[int, int], M], *, row_bytes: int, most: int, measured: bool
) -> Iterator[tuple[M, int, int]]:
    """Yield (make(start, stop), start, stop) for consecutive blocks of rows, from row 0 to row `count`.

    A message has about `most` bytes, if a row has about `row_bytes`. If `measured`, the size of each message decides
    how many rows the next one has. Raises `InvalidRequest` for a row that fits no message.
    """
    step = min(max(1, most // row_bytes), _BLOCK_ROWS)
    start = 0
    while start < count:
        stop = min(start + step, count)
        message = make(start, stop)
        size = message.ByteSize()
        if size > MESSAGE_BYTES - 1024:
            if stop - start == 1:
                detail = f"a row does not fit a message of {MESSAGE_BYTES >> 20} MiB"
                raise invalid(("X", start), detail, reason="ROW_TOO_LARGE")
            step = (stop - start) // 2  # long texts
            continue
        yield message, start, stop
        if measured:
            step = min(max(1, (stop - start) * most // max(1, size)), _BLOCK_ROWS)
        start = stop
