"""What a file is, by its first bytes, and its text in UTF-8."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import BinaryIO, cast

from layerwise_service.errors import InvalidRequest, TooLarge

LOOKED_AT = 65_536
"""Bytes at the beginning of a file that say what it is."""
CHUNK = 2**20
NO_TABLES = {
    b"%PDF": ("a PDF document", "copy its table into a CSV file"),
    b"\x89PNG": ("an image", "a table is needed, such as a CSV file"),
    b"\xff\xd8\xff": ("an image", "a table is needed, such as a CSV file"),
    b"GIF8": ("an image", "a table is needed, such as a CSV file"),
    b"\xd0\xcf\x11\xe0": ("an Excel file of the old format (.xls)", "save it as CSV in UTF-8"),
    b"PK\x03\x04": ("a zip archive or an Excel file (.xlsx)", "unpack it, or save the sheet as CSV in UTF-8"),
    b"ARROW1": ("an Arrow or Feather file", "save it as Parquet"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it, or compress it by gzip"),
    b"BZh": ("compressed by bzip2", "unpack it, or compress it by gzip"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it, or compress it by gzip"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it, or compress the table by gzip"),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV"),
    b"\x80\x04": ("a Python pickle", "save it as CSV or Parquet"),
    b"\x89HDF": ("an HDF5 file", "save it as CSV or Parquet"),
    b"{\\rtf": ("a text document (RTF)", "save it as CSV in UTF-8"),
}
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class FileKind(Enum):
    """The kinds of table files."""

    CSV = "csv"
    JSON_LINES = "json_lines"
    PARQUET = "parquet"


def file_kind(path: Path, *, max_bytes: int) -> tuple[FileKind, str]:
    """Return what the file at `path` is, and how it was read if that is worth saying, else "".

    A file that is compressed by gzip, or not in UTF-8, is replaced by its text in UTF-8, of at most `max_bytes`.
    Raises `InvalidRequest` for a file that is no table, saying what it is and what helps.
    """
    said = ""
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if not start.strip():
        raise InvalidRequest("expected a table with a header and rows, the file is empty", reason="EMPTY_FILE")
    if start.startswith(b"PAR1"):
        return FileKind.PARQUET, ""
    if start.startswith(b"\x1f\x8b"):
        _replace(path, _unpacked(path, max_bytes))
        with path.open("rb") as file:
            start = file.read(LOOKED_AT)
    _check_is_table(start)
    encoding = next((name for mark, name in MARKS if start.startswith(mark)), "")
    if not encoding and _looks_like_utf16(start):
        encoding = "utf-16-le"
        said = "read as UTF-16, which it seems to be"
    elif not encoding and not _is_utf8(path):
        encoding = "cp1252"
        said = "read as Windows-1252, which includes Latin 1: it is not UTF-8"
    if encoding:
        _replace(path, _recoded(path, encoding))
        with path.open("rb") as file:
            start = file.read(LOOKED_AT)
    _check_is_table(start)
    kind = FileKind.JSON_LINES if start.lstrip().startswith(b"{") else FileKind.CSV
    return kind, said


def _check_is_table(start: bytes) -> None:
    """Raise `InvalidRequest` if the first bytes are those of something else."""
    for mark, (what, helps) in NO_TABLES.items():
        if start.startswith(mark):
            raise InvalidRequest(f"expected a table (CSV, JSON Lines, Parquet), the file is {what}: {helps}",
                                 reason="NOT_A_TABLE")  # fmt: skip
    text = start.lstrip()[:512].lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<svg")):
        detail = "the file is a web page or XML, such as the page of a login: look at it in an editor"
        raise InvalidRequest(f"expected a table (CSV, JSON Lines, Parquet), {detail}", reason="NOT_A_TABLE")
    if text.startswith(b"["):
        detail = "the file is a JSON list: write one object a line (JSON Lines), or CSV"
        raise InvalidRequest(f"expected a table (CSV, JSON Lines, Parquet), {detail}", reason="NOT_A_TABLE")
    if not start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not _looks_like_utf16(start):
        control = sum(start.count(byte) for byte in range(9))
        if control:
            detail = f"the file has {control} binary bytes among its first {len(start)}"
            raise InvalidRequest(f"expected a table (CSV, JSON Lines, Parquet), {detail}", reason="NOT_A_TABLE")


def _looks_like_utf16(start: bytes) -> bool:
    """Return whether every other byte is 0, as in UTF-16 of English text without a byte order mark."""
    odd = start[1:512:2]
    return bool(odd) and odd.count(0) > 0.9 * len(odd) and 0 not in start[0:512:2]


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _unpacked(path: Path, max_bytes: int) -> Iterator[bytes]:
    """Yield the content of a gzip file. Raises `InvalidRequest` if it is damaged, `TooLarge` beyond `max_bytes`."""
    total = 0
    try:
        with cast("BinaryIO", gzip.open(path, "rb")) as file:
            while chunk := file.read(CHUNK):
                total += len(chunk)
                if total > max_bytes:
                    detail = f"expected at most {max_bytes} bytes when unpacked, the file has more"
                    raise TooLarge(detail, reason="DATASET_TOO_LARGE")
                yield chunk
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidRequest(f"expected a whole gzip file, it is damaged or cut off: {error}") from error


def _recoded(path: Path, encoding: str) -> Iterator[bytes]:
    """Yield the text of the file in UTF-8. Bytes that `encoding` does not have become replacement characters."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield decoder.decode(chunk).encode()
    yield decoder.decode(b"", final=True).encode()


def _replace(path: Path, chunks: Iterator[bytes]) -> None:
    new = path.with_name(f"{path.name}.text")
    try:
        with new.open("wb") as file:
            file.writelines(chunks)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    new.replace(path)
