"""The number of fields of a message, counted over its bytes: a limit has to hold before the message is made of them.

An empty layer takes two bytes on the wire, and eighty in memory once it is parsed, in the event loop.
"""

from __future__ import annotations

from functools import cache

from google.protobuf.descriptor import Descriptor

from layerwise_service.errors import TooLarge

MOST_FIELDS = 50_000
"""Far beyond the fields of any architecture, plan or encoder; rows, labels and texts count as one field a block."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def check_fields(data: bytes, kind: Descriptor) -> None:
    """Raise `TooLarge` if `data`, a message of `kind`, has more than `MOST_FIELDS` fields in all its messages.

    Bytes that are no message are left to the parser.
    """
    if len(data) < 2 * MOST_FIELDS:  # a field has at least two bytes
        return
    left = MOST_FIELDS
    pending = [(0, len(data), kind)]
    while pending:
        at, end, descriptor = pending.pop()
        inner = _messages(descriptor)
        while at < end:
            left -= 1
            if left < 0:
                detail = f"a message takes at most {MOST_FIELDS} fields in all its parts, this one has more"
                raise TooLarge(detail, reason="TOO_MANY_FIELDS")
            try:
                tag, at = _varint(data, at)
                wire = tag & 7
                if wire == _VARINT:
                    _, at = _varint(data, at)
                elif wire == _LENGTH:
                    size, at = _varint(data, at)
                    if (found := inner.get(tag >> 3)) is not None:
                        pending.append((at, min(at + size, end), found))
                    at += size
                else:
                    at += {_FIXED64: 8, _FIXED32: 4}.get(wire, 0)
            except IndexError:
                return


@cache
def _messages(descriptor: Descriptor) -> dict[int, Descriptor]:
    """The fields by number that are messages which may hold messages: others grow with their bytes, not beyond them."""
    found: dict[int, Descriptor] = {}
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None and any(other.message_type is not None for other in inner.fields):
            found[field.number] = inner
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where the next thing begins. Raises IndexError at the end of `data`."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
