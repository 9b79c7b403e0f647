"""A strict reader of the directory of a .zip file: uncompressed members, one after another, without gaps.

It reads only the directory and the members' headers. PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from layerwise.errors import CorruptModel

MOST_DIRECTORY = 2**20
"""Bytes; a model of 1,000 layers needs a fifth of it."""

_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MASK32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Member:
    """Position of a member's bytes in the file, and their checksum."""

    start: int
    size: int
    crc32: int


def read_directory(file: BinaryIO, size: int) -> dict[str, Member]:
    """Return the members of the .zip `file` of `size` bytes, by name, in file order. Raises CorruptModel."""
    try:
        count, start, length = _extent(file, size)
        entries = _entries(_read(file, start, length), count)
        return _located(file, entries, start)
    except (struct.error, UnicodeDecodeError) as error:
        raise CorruptModel("the file's directory is damaged") from error


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    found = file.read(length)
    if len(found) != length:
        raise CorruptModel("the file is cut short")
    return found


def _extent(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return number of entries, start and length of the directory, which must end where the end record starts."""
    if size < _END.size:
        raise CorruptModel(f"expected an .npz file, got {size} bytes")
    end = size - _END.size
    magic, disk, first_disk, here, count, length, start, comment = _END.unpack(_read(file, end, _END.size))
    if magic != b"PK\x05\x06" or comment or disk or first_disk or here != count:
        raise CorruptModel("expected an .npz file: the file is cut short, or of another format")
    locator = end - _LOCATOR64.size
    if locator >= _END64.size and _read(file, locator, 4) == b"PK\x06\x07":
        short = count, length, start
        end = locator - _END64.size
        _, disk, place, disks = _LOCATOR64.unpack(_read(file, locator, _LOCATOR64.size))
        magic, _, _, _, disk64, first_disk, here, count, length, start = _END64.unpack(_read(file, end, _END64.size))
        if magic != b"PK\x06\x06" or place != end or disks != 1 or disk or disk64 or first_disk or here != count:
            raise CorruptModel("the file's directory is damaged")
        if short != (min(count, 0xFFFF), min(length, _MASK32), min(start, _MASK32)):
            raise CorruptModel("the file's directory is damaged")
    if length > MOST_DIRECTORY:
        raise CorruptModel(f"expected a directory of at most {MOST_DIRECTORY} bytes, it claims {length}")
    if start + length != end:
        raise CorruptModel("the file's directory is damaged")
    return count, start, length


def _entries(table: bytes, count: int) -> list[tuple[str, int, int, int]]:
    """Return name, checksum, size and position of each of `count` entries."""
    found: list[tuple[str, int, int, int]] = []
    at = 0
    while at < len(table):
        entry = _ENTRY.unpack_from(table, at)
        magic, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment, disk = entry[:14]
        at += _ENTRY.size
        name = table[at : at + name_length].decode("utf-8")
        extra = table[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length
        if magic != b"PK\x01\x02" or at > len(table) or comment or disk:
            raise CorruptModel("the file's directory is damaged")
        if method or flags & ~0x800:
            raise CorruptModel(f"{name!r}: expected an uncompressed member, it is compressed or encrypted")
        packed, size, place = _wide(extra, packed=packed, size=size, place=entry[16])
        if packed != size:
            raise CorruptModel(f"{name!r}: expected an uncompressed member, its sizes differ")
        found.append((name, crc, size, place))
    if len(found) != count:
        raise CorruptModel(f"expected {count} members, the directory has {len(found)}")
    return found


def _wide(extra: bytes, *, packed: int, size: int, place: int) -> tuple[int, int, int]:
    """Return sizes and position of an entry, 64-bit ones from its ZIP64 `extra` field."""
    wide = [value == _MASK32 for value in (size, packed, place)]
    if not any(wide):
        return packed, size, place
    kind, length = struct.unpack_from("<2H", extra)
    if kind != 1 or length != 8 * sum(wide):
        raise CorruptModel("the file's directory is damaged")
    numbers = iter(struct.unpack_from(f"<{sum(wide)}Q", extra, 4))
    size, packed, place = (
        next(numbers) if is_wide else value for is_wide, value in zip(wide, (size, packed, place), strict=True)
    )
    return packed, size, place


def _located(file: BinaryIO, entries: list[tuple[str, int, int, int]], end: int) -> dict[str, Member]:
    """Return the members; they must be in the order of the directory and fill the file up to its start, `end`."""
    found: dict[str, Member] = {}
    at = 0
    for name, crc, size, place in entries:
        if name in found:
            raise CorruptModel(f"{name!r}: the member occurs twice")
        if place != at or place + _LOCAL.size > end:
            raise CorruptModel(f"{name!r}: expected the member at byte {at}, the directory says {place}")
        local = _LOCAL.unpack(_read(file, place, _LOCAL.size))
        magic, flags, method, name_length, extra_length = local[0], local[2], local[3], local[9], local[10]
        start = place + _LOCAL.size + name_length + extra_length
        at = start + size
        if magic != b"PK\x03\x04" or method or flags & ~0x800 or at > end:
            raise CorruptModel(f"{name!r}: the member's header is damaged")
        if _read(file, place + _LOCAL.size, name_length) != name.encode():
            raise CorruptModel(f"{name!r}: the member's header has another name")
        found[name] = Member(start, size, crc)
    if at != end:
        raise CorruptModel("the file has bytes that belong to no member")
    return found
