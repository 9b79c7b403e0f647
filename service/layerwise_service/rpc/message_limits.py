"""Limits on the fields and texts of a message, counted in its bytes, before any objects are made.

An empty layer takes two bytes on the wire, and eighty in memory once it is parsed, in the event loop. Counting runs in
the event loop too, so it stops after a fixed number of fields, and after ten bytes of a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from layerwise_service.errors import TooLarge

MOST_FIELDS = 50_000
"""Far more than any architecture, plan or encoder has; rows, labels and texts count as one field for each block."""
MOST_TEXTS = 1_000_000
"""Most labels and texts in a message: the SDK sends at most some 600,000, and each takes up to 150 bytes of memory."""

_VARINT, _FIXED64, _LENGTH, _GROUP, _GROUP_END, _FIXED32 = range(6)
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MOST_VARINT = 10  # bytes of 64 bits, seven in each
_MORE = 0x80
_ODD = 4  # a text whose tag and length take more than two bytes counts as so many, since it takes longer to scan


class _Parts(NamedTuple):
    """The fields of a message that may be numerous."""

    inner: dict[int, Descriptor]  # by field number: messages whose fields are counted as well
    tags: bytes  # of a message that only has texts: the first bytes that their tags may have


def check_fields(data: bytes, kind: Descriptor) -> None:
    """Raise `TooLarge` if `data`, a message of `kind`, has more than `MOST_FIELDS` fields or `MOST_TEXTS` texts.

    Nested messages count as well. Bytes that cannot be read are left to the parser, which refuses them; what comes
    before them counts, since the parser reads that first.
    """
    if len(data) < 2 * MOST_FIELDS:  # a field has at least two bytes
        return
    fields = MOST_FIELDS
    pending = [(0, len(data), kind)]
    blocks: list[tuple[int, int, bytes]] = []
    while pending:
        start, end, descriptor = pending.pop()
        inner, tags = _parts(descriptor)
        if tags:
            blocks.append((start, end, tags))
            continue
        for number, at, stop in _fields(data, start, end):
            fields -= 1
            if fields < 0:
                detail = f"expected at most {MOST_FIELDS} fields in a message, nested ones included, got more"
                raise TooLarge(detail, reason="TOO_MANY_FIELDS")
            if (found := inner.get(number)) is not None:
                pending.append((at, stop, found))
    _check_texts(data, blocks)


def _check_texts(data: bytes, blocks: list[tuple[int, int, bytes]]) -> None:
    """Raise `TooLarge` if `blocks` (first byte, end, and tags of each) have more than `MOST_TEXTS` texts."""
    bounds = (min((end - at) // 2, sum(data.count(tag, at, end) for tag in tags)) for at, end, tags in blocks)
    if sum(bounds) <= MOST_TEXTS:
        return
    left = MOST_TEXTS  # texts are counted one by one, since their bytes may look like tags
    for at, end, _ in blocks:
        left -= _texts(data, at, end, left)
        if left < 0:
            detail = f"expected at most {MOST_TEXTS} labels and texts in a message, got more; send fewer rows at once"
            raise TooLarge(detail, reason="TOO_MANY_TEXTS")


@cache
def _parts(descriptor: Descriptor) -> _Parts:
    inner: dict[int, Descriptor] = {}
    tags: set[int] = set()
    for field in descriptor.fields:
        if field.message_type is not None:
            kind = field.message_type
            # other fields take no more memory than their bytes
            if any(other.message_type is not None for other in kind.fields) or _parts(kind).tags:
                inner[field.number] = kind
        elif field.is_repeated and field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
            tag = (field.number << 3 | _LENGTH) & ~_MORE & 0xFF
            tags |= {tag, tag | _MORE}  # a tag may be written in more bytes than necessary
    leaf = all(field.message_type is None for field in descriptor.fields)
    return _Parts(inner, bytes(tags) if leaf else b"")


def _texts(data: bytes, at: int, end: int, most: int) -> int:
    """Return the number of texts between `at` and `end`, or any number above `most` if there are more."""
    found = 0
    try:
        while at < end and found <= most:
            tag, size = data[at], data[at + 1]
            if tag & (_MORE | 7) == _LENGTH and size < _MORE:  # nearly all of them
                at += 2 + size
                found += 1
            else:
                _, _, at = next(_fields(data, at, end))
                found += _ODD
    except (IndexError, StopIteration):
        pass
    return found


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the fields from `at` to the first that cannot be read: number, first byte of the contents, their end.

    The number is 0 for fields that are not messages: other types, and contents of a group, which the API does not use.
    """
    groups = 0
    try:
        while at < end:
            tag = data[at]
            at += 1
            if tag >= _MORE:
                tag, at = _varint(data, at - 1)
            wire = tag & 7
            if tag < 8:  # field 0
                return
            if wire == _LENGTH:
                size = data[at]
                at += 1
                if size >= _MORE:
                    size, at = _varint(data, at - 1)
                stop = min(at + size, end)
                yield 0 if groups else tag >> 3, at, stop
                at = stop
                continue
            if wire == _VARINT:
                _, at = _varint(data, at)
            elif wire in _SIZES:
                at += _SIZES[wire]
            elif wire in (_GROUP, _GROUP_END):
                groups += 1 if wire == _GROUP else -1
            else:
                return
            yield 0, at, at
    except (IndexError, OverflowError):
        return


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at` and the position after it. Raises IndexError at the end of `data`, OverflowError."""
    value = data[at] & 0x7F
    for shift in range(7, 7 * _MOST_VARINT + 1, 7):
        at += 1
        if data[at - 1] < _MORE:
            return value, at
        value |= (data[at] & 0x7F) << shift
    raise OverflowError
