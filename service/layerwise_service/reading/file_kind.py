"""What a file is, by its first bytes."""

from __future__ import annotations

import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from layerwise.tables.doubt import Doubt
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.numpy_file import make_csv
from layerwise_service.reading.text_file import CHUNK, encoding_of, make_text, replace_file

LOOKED_AT = 65_536
"""Bytes at the beginning of a file that say what it is."""
WANTED = "expected a table (CSV, JSON Lines, Parquet, .npz or .npy)"
_AS_CSV = "save it as CSV in UTF-8"
_NEEDS_TABLE = "a table is needed, such as a CSV file"
_UNPACK = "unpack it, or compress the table by gzip"
_EXPORT = "save its table as CSV or Parquet"
NO_TABLES = {
    b"%PDF": ("a PDF document", "copy its table into a CSV file"),
    b"\x89PNG": ("an image (PNG)", _NEEDS_TABLE),
    b"\xff\xd8\xff": ("an image (JPEG)", _NEEDS_TABLE),
    b"GIF8": ("an image (GIF)", _NEEDS_TABLE),
    b"II*\x00": ("an image (TIFF)", _NEEDS_TABLE),
    b"MM\x00*": ("an image (TIFF)", _NEEDS_TABLE),
    b"RIFF": ("an image, a sound or a video (RIFF)", _NEEDS_TABLE),
    b"\xd0\xcf\x11\xe0": ("an Excel or Word file of the old format", "save the sheet as CSV in UTF-8"),
    b"ARROW1": ("an Arrow or Feather file", "save it as Parquet"),
    b"FEA1\x00": ("a Feather file", "save it as Parquet"),
    b"Obj\x01": ("an Avro file", "save it as Parquet"),
    b"\x1f\x8b": ("compressed by gzip twice", "unpack it once"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", _UNPACK),
    b"BZh": ("compressed by bzip2", _UNPACK),
    b"\xfd7zXZ": ("compressed by xz", _UNPACK),
    b"\x04\x22\x4d\x18": ("compressed by lz4", _UNPACK),
    b"7z\xbc\xaf": ("a 7-Zip archive", _UNPACK),
    b"Rar!": ("a RAR archive", _UNPACK),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV"),
    b"\x80\x02": ("a Python pickle", _EXPORT),
    b"\x80\x03": ("a Python pickle", _EXPORT),
    b"\x80\x04": ("a Python pickle", _EXPORT),
    b"\x80\x05": ("a Python pickle", _EXPORT),
    b"\x89HDF": ("an HDF5 file", _EXPORT),
    b"RDX3\n": ("a file of R (.RData)", _EXPORT),
    b"X\n\x00\x00\x00": ("a file of R (.rds)", _EXPORT),
    b"MATLAB 5.0": ("a file of MATLAB (.mat)", _EXPORT),
    b"$FL2": ("a file of SPSS (.sav)", _EXPORT),
    b"<stata_dta>": ("a file of Stata (.dta)", _EXPORT),
    b"\x7fELF": ("a program", _NEEDS_TABLE),
    b"MZ\x90\x00": ("a program", _NEEDS_TABLE),
    b"{\\rtf": ("a text document (RTF)", _AS_CSV),
    b"@relation": ("an ARFF file of Weka", "replace the lines up to @data by one with the names of the columns"),
    b"version https://git-lfs": ("a pointer of Git LFS, not the file itself", "run `git lfs pull`"),
}
"""What files that are no tables begin with, in the case that is usual; what they are, and what helps."""
_ZIPPED = {
    "xl/": ("an Excel file (.xlsx)", "save the sheet as CSV in UTF-8"),
    "word/": ("a Word document (.docx)", "copy its table into a CSV file"),
    "ppt/": ("a PowerPoint file (.pptx)", "copy its table into a CSV file"),
    "mimetype": ("a document of LibreOffice (.ods, .odt)", "save the sheet as CSV in UTF-8"),
}
_LATER = {8: (b"DUCK", "a DuckDB database", _EXPORT), 257: (b"ustar", "a tar archive", _UNPACK)}
"""The same of marks that stand later in a file that has NUL bytes before."""
_MARKUP = re.compile(rb"<(!doctype|!--|[a-z?][a-z0-9:]*[\s>/?])", re.IGNORECASE)
_JSON_LIST = re.compile(rb"\[\s*([\[{\"\]]|-?[0-9])")
_MOST_CONTROL = 0.01
"""A file with a larger share of control characters is no text."""
_CONTROL = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))


class FileKind(Enum):
    """The kinds of table files."""

    CSV = "csv"
    JSON_LINES = "json_lines"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class TableText:
    """A file that DuckDB can read: its kind, how its text was read if that is doubtful.

    `types` are those of the columns of NumPy's arrays, which are CSV now: "whole", "number", "boolean" or "". Of other
    files it is empty.
    """

    kind: FileKind
    doubts: tuple[Doubt, ...] = ()
    types: tuple[str, ...] = ()


def table_text(path: Path, *, max_bytes: int, max_columns: int | None = None, max_rows: int | None = None) -> TableText:
    """Make the file at `path` one that DuckDB can read, and return what it is.

    A file that is compressed by gzip is replaced by its content, a text that is not in UTF-8 by one that is, and arrays
    of NumPy by CSV, of at most `max_bytes`; rows beyond `max_rows` and one more may be left out.
    Raises `InvalidRequest` for a file that is no table, saying what it is and what helps.
    """
    start = _start(path)
    if start.startswith(b"\x1f\x8b"):
        replace_file(path, _unpacked(path, max_bytes))
        start = _start(path)
    if start.startswith(b"PAR1"):
        return TableText(FileKind.PARQUET)
    is_zip = start.startswith(b"PK") and zipfile.is_zipfile(path)
    if is_zip:
        _check_zip(path)
    if is_zip or start.startswith(b"\x93NUMPY"):
        types = make_csv(path, is_npz=is_zip, max_bytes=max_bytes, max_columns=max_columns, max_rows=max_rows)
        return TableText(FileKind.CSV, types=types)
    _check_is_table(start)
    doubts = make_text(path, start)
    start = _start(path)
    _check_is_table(start)
    return TableText(FileKind.JSON_LINES if start.lstrip().startswith(b"{") else FileKind.CSV, doubts)


def no_table(what: str, helps: str) -> InvalidRequest:
    """Return the error of a file that is no table."""
    return InvalidRequest(f"{WANTED}, the file is {what}: {helps}", reason="NOT_A_TABLE")


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if not start.strip() or start == b"\xef\xbb\xbf":
        raise InvalidRequest("expected a table with a header and rows, the file is empty", reason="EMPTY_FILE")
    return start


def _check_is_table(start: bytes, found: str = "the file") -> None:
    """Raise `InvalidRequest` if the first bytes, those of `found`, are no table's."""
    for mark, (what, helps) in NO_TABLES.items():
        if start.startswith((mark, mark.upper())):
            raise no_table(what, helps)
    for at, (mark, what, helps) in _LATER.items():
        if start[at:].startswith(mark) and 0 in start[:512]:
            raise no_table(what, helps)
    if start.startswith(b"PK\x03\x04"):
        _refuse_damaged_zip(start)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _MARKUP.match(text):
        raise no_table("a web page or XML, such as the page of a login", "look at it in an editor")
    if _JSON_LIST.match(text):
        raise no_table("a JSON list", "write one object a line (JSON Lines), or CSV")
    control = len(start) - len(start.translate(None, _CONTROL))
    if control > max(_MOST_CONTROL * len(start), 4) and not encoding_of(start):
        zeros = ", all of them zeros" if not any(start) else ""
        detail = f"{found} is binary: {control:,} of its first {len(start):,} bytes are no text{zeros}"
        raise InvalidRequest(f"{WANTED}, {detail}: {_AS_CSV}", reason="NOT_A_TABLE")


def _refuse_damaged_zip(start: bytes) -> NoReturn:
    """Raise `InvalidRequest` for a zip archive without its end: the names of its first files say what it is."""
    for first, (what, helps) in _ZIPPED.items():
        if first.encode() in start:
            raise no_table(f"{what} that is damaged or cut off", helps)
    what = "an .npz file" if b".npy" in start else "a zip archive"
    raise no_table(f"{what} that is damaged or cut off", "send it again")


def _check_zip(path: Path) -> None:
    """Raise `InvalidRequest` if the zip archive has other files than arrays of NumPy."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if names and all(name.endswith(".npy") for name in names):
        return
    for first, found in _ZIPPED.items():
        if any(name.startswith(first) for name in names):
            raise no_table(*found)
    listed = f" of {names[0]!r}" if len(names) == 1 else ""
    raise no_table(f"a zip archive{listed}", _UNPACK)


def _unpacked(path: Path, max_bytes: int) -> Iterator[bytes]:
    """Yield the content of a gzip file.

    Raises `InvalidRequest` if it is damaged, or if its first bytes are those of no table, `TooLarge` beyond
    `max_bytes`.
    """
    total = 0
    try:
        with cast("BinaryIO", gzip.open(path, "rb")) as file:
            while chunk := file.read(CHUNK):
                if not total and not chunk.startswith((b"PAR1", b"PK", b"\x93NUMPY")):
                    _check_is_table(chunk[:LOOKED_AT], "what the gzip file unpacks to")
                total += len(chunk)
                if total > max_bytes:
                    detail = f"expected at most {max_bytes} bytes when unpacked, the file has more"
                    raise TooLarge(detail, reason="DATASET_TOO_LARGE")
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        detail = f"expected a whole gzip file, it is damaged or cut off: {error}"
        raise InvalidRequest(detail, reason="DAMAGED_FILE") from error
