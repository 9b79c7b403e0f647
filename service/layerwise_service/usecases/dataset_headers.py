"""What a caller says of a dataset before it sends the file or table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from layerwise_service.errors import InvalidRequest, TooLarge

_UPLOAD_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_NAME = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetHeader:
    """What is said of any dataset.

    `formats` has those of columns by name, in JSON form. `read_as` is a model and a version, whose columns are read as
    in its training. `gaps` are words for a missing value in every column, besides the usual ones. A
    `transient` dataset is not listed, and is removed after a while.
    """

    name: str = ""
    formats: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gaps: tuple[str, ...] = ()
    read_as: tuple[str, str] | None = None
    transient: bool = False

    def check(self, max_bytes: int) -> None:
        """Raise `InvalidRequest` if something here is wrong, and `TooLarge` for a file of more than `max_bytes`."""
        if len(self.name) > _MOST_NAME or not self.name.isprintable():
            detail = f"expected a name of at most {_MOST_NAME} visible characters, got {self.name[:64]!r}"
            raise InvalidRequest(detail, pointer="name", reason="INVALID_NAME")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHeader(DatasetHeader):
    """What is said of a file.

    `size` is None if the caller sees by other means whether the file is complete. Without an `upload_id`, a stream
    that was broken off cannot go on. `sha256`, if it is not empty, is that of the whole file.
    """

    size: int | None
    upload_id: str = ""
    sha256: str = ""

    def check(self, max_bytes: int) -> None:
        """Raise as `DatasetHeader.check`."""
        if self.upload_id:
            check_upload_id(self.upload_id)
        check_size(self.size)
        if self.size is not None and self.size > max_bytes:
            raise file_too_large(f"{self.size:,}", max_bytes)
        DatasetHeader.check(self, max_bytes)
        check_sha256(self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHeader(DatasetHeader):
    """What is said of a table in memory, which has so many `rows`."""

    rows: int

    def check(self, max_bytes: int) -> None:
        """Raise as `DatasetHeader.check`."""
        if self.rows < 1:
            detail = f"expected the number of rows that will be sent, at least 1, got {self.rows}"
            raise InvalidRequest(detail, pointer="rows", reason="ROWS_MISSING")
        DatasetHeader.check(self, max_bytes)


def read_as(model: str, version: str) -> tuple[str, str] | None:
    """Return the `read_as` of a header: None without a model. Raises `InvalidRequest`."""
    if version and not model:
        raise InvalidRequest(f"expected a model with the version {version[:64]!r}, got none", pointer="read_as")
    return (model, version) if model else None


def file_too_large(size: str, most: int) -> TooLarge:
    """Return the error of a file of more than `most` bytes."""
    detail = f"expected a file of at most {most:,} bytes (max_dataset_bytes), got {size}"
    return TooLarge(detail, pointer="size", reason="DATASET_TOO_LARGE")


def check_size(size: int | None) -> None:
    """Raise `InvalidRequest` for the size of no file; None: it is not known."""
    if size is not None and size < 1:
        detail = f"expected the size of the file in bytes, at least 1, got {size}"
        raise InvalidRequest(detail, pointer="size", reason="EMPTY_FILE" if size == 0 else "")


def check_sha256(sha256: str) -> None:
    """Raise `InvalidRequest` for what is no SHA-256; "": it is not known."""
    if sha256 and not _SHA256.fullmatch(sha256):
        detail = f"expected 64 hexadecimal digits in lower case, got {sha256[:80]!r}"
        raise InvalidRequest(detail, pointer="sha256")


def check_upload_id(upload_id: str) -> None:
    """Raise `InvalidRequest` for what is no upload id."""
    if not _UPLOAD_ID.fullmatch(upload_id):
        detail = f"expected 1 to 128 letters, digits, dots, dashes and underscores, got {upload_id[:64]!r}"
        raise InvalidRequest(detail, pointer="upload_id")
