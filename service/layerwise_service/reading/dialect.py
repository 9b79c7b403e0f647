"""The dialect of a text with delimiters: its delimiter and quotes, and where its header is."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from layerwise.errors import Place
from layerwise_service.errors import TooLarge

LONGEST_LINE = 2**24
"""Bytes."""
LINE = f"a line of at most {LONGEST_LINE:,} bytes, got more: is a quote not closed?"
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_QUOTES = (('"', '"', '"'), ('"', "\\", '\\"'), ("'", "'", "'"))
"""A quote, what stands before a quote within quotes, and what the text then has."""
_RECORDS = 100
"""Records that are compared."""
_SAMPLE = 2**20
"""Characters, or the first line if it is longer."""
_TAIL = 2**16
"""Bytes at the end of a file in which notes after the table are looked for."""
_LINE_END = re.compile(r"[\r\n]")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_ANNOUNCED = re.compile(r"\s*sep=([^\r\n\"'\\])[\r\n]", re.IGNORECASE)
"""A first line as Excel reads and writes it."""

csv.field_size_limit(LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text is divided into cells. `skip` is the number of records and empty lines up to the end of the header."""

    delimiter: str
    quote: str
    escape: str
    header: tuple[str, ...]
    skip: int
    left_out: tuple[str, ...]
    """The first cells of the records before the header."""


@dataclass(frozen=True, slots=True)
class _Record:
    cells: list[str]
    place: int
    """Counted from 0, with the empty lines."""


def find_dialect(path: Path) -> Dialect:
    """Return the dialect by which most of the first records have as many cells as the header.

    Lines before the header, such as a title, have fewer cells than the records, a text in the first alone, or none.
    Raises `TooLarge` for a header of more than `LONGEST_LINE`.
    """
    with path.open(encoding="utf-8", newline="") as file:
        sample = file.read(_SAMPLE)
        if not _LINE_END.search(sample):
            sample += file.readline(LONGEST_LINE)
    if len(sample) > LONGEST_LINE:
        raise TooLarge(f"expected {LINE}", pointer=Place("line", 1), reason="BAD_LINE")
    announced = _ANNOUNCED.match(sample)
    best = (-1.0, 0)
    found: Dialect | None = None
    for quote, escape, sign in _QUOTES:
        if found and (best[0] == 1 or sign not in sample):
            continue
        for delimiter in [announced[1]] if announced else DELIMITERS:
            records = list(islice(_records(sample, delimiter, quote, escape), _RECORDS))
            records = records[1:] if announced else records
            fit, start, header = _header(records)
            if fit > best:
                left_out = tuple(record.cells[0] for record in records[:start])
                skip = records[start].place + 1 if records else 0
                best, found = fit, Dialect(delimiter, quote, escape, header, skip, left_out)
    assert found is not None
    return found


def notes_after(path: Path, dialect: Dialect) -> tuple[str, ...]:
    """Return the lines after the table, such as its source: an empty line divides them from it.

    Each has fewer cells than the header, and no quotes. A line without an empty one before it may be a row cut off.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    notes: list[str] = []
    found: tuple[str, ...] = ()
    for line in reversed(lines):
        if not line:
            found = tuple(notes)
        elif dialect.quote in line or line.count(dialect.delimiter) + 1 >= len(dialect.header):
            return found[::-1]
        else:
            notes.append(line)
    return ()  # there is no row before them


def _records(sample: str, delimiter: str, quote: str, escape: str) -> Iterator[_Record]:
    """Yield the records that are no empty lines; one that cannot be read has no cells, and ends them."""
    doubled = escape == quote
    reader = csv.reader(
        io.StringIO(sample, newline=""),
        delimiter=delimiter,
        quotechar=quote,
        doublequote=doubled,
        escapechar=None if doubled else escape,
        strict=True,
    )
    for place in count():
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield _Record([], place)
            return
        if len(cells) > 1 or any(cell.strip() for cell in cells):
            yield _Record(cells, place)


def _are_row_names(cells: Sequence[str]) -> bool:
    """Return whether the first cells of several rows may be their names: all different, and texts or numbers from 1 on.

    A single row that is too long, and rows with decimal commas between commas, are faults.
    """
    if len(cells) < 2 or len(set(cells)) < len(cells):
        return False
    return all(not _NUMBER.fullmatch(cell) or (cell.isdecimal() and cell[0] != "0") for cell in cells)


def _may_be_header(record: _Record, usual: int) -> bool:
    """Return whether a record is neither empty nor a title: spreadsheets give both as many cells as the table has.

    Only the first cell of a title has a text. A header of two cells may be like that, too.
    """
    texts = [bool(cell.strip()) for cell in record.cells]
    return any(texts if usual < 3 else texts[1:])


def _header(records: list[_Record]) -> tuple[tuple[float, int], int, tuple[str, ...]]:
    """Return how well the dialect of these records fits, which of them is the header, and its cells.

    The more records have as many cells as most, the better it fits; then, the more cells they have.
    """
    widths = [len(record.cells) for record in records]
    usual = max(Counter(widths).items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))[0]
    if usual < 2:
        return (0.0, usual), 0, tuple(records[0].cells) if records else ()
    fit = (widths.count(usual) / len(widths), usual)
    wide = [i for i, width in enumerate(widths) if width >= usual]
    start = next((i for i in wide if _may_be_header(records[i], usual)), wide[0])
    first = records[0]
    if start == 1 and usual - 1 == widths[0] > 0 and records[1].place == first.place + 1:
        if not any(record.cells[-1] for record in records[1:] if record.cells):
            return fit, 0, tuple(first.cells)  # each row ends with a delimiter
        if widths[0] > 1 and _are_row_names([record.cells[0] for record in records[1:] if record.cells]):
            return fit, 0, ("", *first.cells)  # R gives the names of rows no name
        if widths[0] > 1 and all(cell.strip() for cell in first.cells):
            return fit, 0, tuple(first.cells)  # the rows have a cell too many
    return fit, start, tuple(records[start].cells)
