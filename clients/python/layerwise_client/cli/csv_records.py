"""CSV files with a header, read record by record; errors name the file and the line, the header is line 1."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from io import TextIOWrapper
from typing import BinaryIO

from layerwise_client.errors import InvalidRequest

_UTF16 = ("\udcff\udcfe", "\udcfe\udcff")  # its byte order marks, which are no UTF-8
_SEPARATORS = ";\t|"


Header = tuple[str, ...]
Record = tuple[int, list[str]]


def missing_cells(words: Collection[str]) -> Collection[str]:
    """Cells without a value, whatever their column holds: the empty one and `words`, or without words the core's."""
    from layerwise.tables.cells import GAPS

    return {"", *words} if words else GAPS


def read(data: BinaryIO, name: str) -> tuple[Header, Iterator[Record]]:
    """The header of `data`, a file opened for its bytes, and its records, each with the line on which it begins.

    Every record has as many cells as the header; blanks around cells are left out. Raises `InvalidRequest` for a file
    that has no header or no record, and while records are taken.
    """
    records = _records(data, name)
    cells = next(records, (1, list[str]()))[1]
    header = tuple(cells)
    _check_header(header, name)
    return header, _below(header, records, name)


def column_of(header: Header, column: str, name: str) -> int:
    """The place of `column` in the header of the file `name`. Raises `InvalidRequest`, with the columns there are."""
    if column not in header:
        from layerwise.wording import did_you_mean

        near = did_you_mean(column, header)
        raise InvalidRequest(f"{name} has no column {column}; its columns are {', '.join(header)}{near}")
    return header.index(column)


def number_of(cell: str) -> float | None:
    """The number that stands in `cell`, None if it is none."""
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000 as a number
    except ValueError:
        return None


def misplaced(name: str, line: int, column: str | None, wanted: str, cell: str, *, hint: str = "") -> InvalidRequest:
    """The error of a cell: what was wanted in this line and column, and what came."""
    got = f"{cell[:37]}…" if len(cell) > 40 else cell
    return InvalidRequest(f"{name} line {line}, column {column}: expected {wanted}, got {got!r}{hint}")


def _below(header: Header, records: Iterator[Record], name: str) -> Iterator[Record]:
    wanted = len(header)
    line = 0
    for line, cells in records:
        if len(cells) != wanted:
            raise InvalidRequest(f"{name} line {line}: expected {wanted} columns, got {len(cells)}")
        yield line, cells
    if not line:
        raise InvalidRequest(f"{name}: no rows below the header", reason="EMPTY_BATCH")


def _records(data: BinaryIO, name: str) -> Iterator[Record]:
    """All records without empty ones at the end; the reader's errors as ours."""
    # utf-8-sig: Excel puts a byte order mark before the first name; errors: so that they are told with their place
    text = TextIOWrapper(data, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(_lines(text, name), skipinitialspace=True, strict=True)
    line = empty = 0
    try:
        for cells in reader:
            line, begun = reader.line_num, line + 1
            if not cells:
                empty = empty or begun
                continue
            if empty:
                raise InvalidRequest(f"{name} line {empty} is empty")
            yield begun, list(map(str.strip, cells))
    except csv.Error as exc:
        raise InvalidRequest(f"{name} line {line + 1}: not CSV ({exc})") from exc
    finally:
        if not data.closed:
            text.detach()  # whoever opened the file closes it


def _lines(text: Iterable[str], name: str) -> Iterator[str]:
    for number, line in enumerate(text, 1):
        if not line.isascii():
            _check_encoding(line, number, name)
        yield line


def _check_encoding(line: str, number: int, name: str) -> None:
    try:
        line.encode()
    except UnicodeEncodeError as exc:
        if number == 1 and line.startswith(_UTF16):
            raise InvalidRequest(
                f"{name}: expected UTF-8, got UTF-16; `iconv -f utf-16 -t utf-8` turns one into the other"
            ) from exc
        place = f"{name} line {number}, character {exc.start + 1}"
        byte = ord(line[exc.start]) & 0xFF
        hint = "if it is Latin 1 or Windows 1252, `iconv -f windows-1252 -t utf-8` turns it into UTF-8"
        raise InvalidRequest(f"{place}: expected UTF-8, got the byte {byte:#x}; {hint}") from exc


def _check_header(header: Sequence[str], name: str) -> None:
    if not header:
        raise InvalidRequest(f"{name} is empty; expected a header with column names, and rows below it")
    if len(header) == 1 and (separator := next((each for each in _SEPARATORS if each in header[0]), None)):
        raise InvalidRequest(f"{name}: columns are separated by {separator!r}; expected commas")
    # pandas names columns 0, 1, 2 …; any other row of numbers is one of data.
    if all(number_of(cell) is not None for cell in header) and list(header) != [str(i) for i in range(len(header))]:
        raise InvalidRequest(f"{name} line 1: expected a header with column names, got numbers")
    for index, column in enumerate(header):
        if not column:
            raise InvalidRequest(f"{name} line 1: column {index + 1} has no name")
        if column in header[:index]:
            raise InvalidRequest(f"{name} line 1: two columns have the name {column}")
