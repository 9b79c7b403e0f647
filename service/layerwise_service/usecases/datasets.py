"""Use-cases of datasets: receive a table file and read it, list, show and delete datasets."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from layerwise.checks import counted
from layerwise.tables.format import Format
from layerwise_service.domain.dataset_csv import csv_of
from layerwise_service.domain.pages import Page, page_limit
from layerwise_service.domain.table_datasets import (
    MOST_ROWS_SHOWN,
    DatasetRows,
    ReadTable,
    TableDataset,
    TableDatasetSummary,
    cells,
)
from layerwise_service.errors import InvalidRequest, TooLarge, Unavailable
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import FILE, TABLE, ReadingLimits
from layerwise_service.reading.reader import read_in_process
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore, stored_table
from layerwise_service.stores.dataset_store import DatasetStore, token_of
from layerwise_service.stores.files import reading_stored, storage_errors
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.stores.uploads import PartialUpload, Uploads

_READERS = 2  # at the same time in each process: each takes a core, and the memory of the setting
_UPLOAD_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_NAME = 255
_LOOK_SECONDS = 0.1
_UNPACKED = 8
"""A file that is only predicted may have so many times the bytes of the largest body when it is unpacked."""


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What a caller says of a file before it sends it.

    `size` is None if the caller sees by other means whether the file is complete. Without an `upload_id`, a stream
    that was broken off cannot go on. `sha256`, if it is not empty, is that of the whole file.

    `formats` are those of columns in JSON form, `read_as` is the model and the version by whose columns the file is
    read, and `gaps` are words that mean no value in every column, besides the usual. A `transient` dataset is not
    listed, and is removed after a while.
    """

    size: int | None
    upload_id: str = ""
    name: str = ""
    sha256: str = ""
    formats: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gaps: tuple[str, ...] = ()
    read_as: tuple[str, str] | None = None
    transient: bool = False


def read_as(model: str, version: str) -> tuple[str, str] | None:
    """Return the `read_as` of a header: None without a model. Raises `InvalidRequest`."""
    if version and not model:
        raise InvalidRequest(f"expected a model with the version {version[:64]!r}, got none", pointer="read_as")
    return (model, version) if model else None


FormatsOf = Callable[[str, str], Mapping[str, Format]]
"""The formats of a version's columns by name, from the name of its model and its number or alias."""


class Datasets:
    """Everything that a caller can do with datasets."""

    def __init__(
        self,
        datasets: DatasetStore,
        uploads: Uploads,
        artifacts: ArtifactStore,
        formats_of: FormatsOf,
        settings: Settings,
    ) -> None:
        self._datasets = datasets
        self._uploads = uploads
        self._artifacts = artifacts
        self._formats_of = formats_of
        self._settings = settings
        self._reading = threading.BoundedSemaphore(_READERS)

    def upload(self, header: FileHeader) -> FileUpload:
        """Begin to receive a file, or go on with it.

        Raises `InvalidRequest`, `ModelNotFound`, `VersionNotFound`, and `Unavailable` while another stream sends the
        same upload.
        """
        _check_header(header, self._settings.max_dataset_bytes)
        known = self._formats_of(*header.read_as) if header.read_as else None
        choices = ReadingChoices.checked(header.formats, header.gaps, known)
        self._artifacts.check()  # before a gigabyte is sent
        file = self._uploads.open(header.upload_id)
        return FileUpload(header, choices, file, self, max_bytes=self._settings.max_dataset_bytes)

    def offset(self, upload_id: str) -> int:
        """Return how many bytes of an upload are on the disk: where the next stream has to begin."""
        _check_upload_id(upload_id)
        return self._uploads.offset(upload_id)

    def get(self, dataset: str) -> TableDataset:
        """Return the dataset. Raises `DatasetNotFound`."""
        return self._datasets.get(dataset)

    def page(self, *, page_size: int = 0, page_token: str = "") -> Page[TableDatasetSummary]:
        """Return a page of datasets, newest first."""
        limit = page_limit(page_size)
        found = self._datasets.page(limit=limit + 1, before=page_token)
        return Page(found[:limit], token_of(found[limit - 1]) if len(found) > limit else "")

    def delete(self, dataset: str) -> None:
        """Delete the dataset. Raises `DatasetNotFound`, and `Conflict` while a job that has not ended needs it."""
        self._datasets.delete(dataset)

    def rows(self, dataset: str, *, offset: int = 0, limit: int = 0) -> DatasetRows:
        """Return at most `limit` rows (0: 100) from `offset` on; fewer if they are large."""
        if not 0 <= limit <= MOST_ROWS_SHOWN:
            raise InvalidRequest(f"expected 0 to {MOST_ROWS_SHOWN} rows, got {limit}", pointer="limit")
        found = self._datasets.get(dataset)
        if not 0 <= offset <= found.rows:
            raise InvalidRequest(f"expected 0 to {found.rows}, the number of rows, got {offset}", pointer="offset")
        kinds = {column.name: column.kind for column in found.columns}
        if offset == found.rows:
            return DatasetRows(kinds, dict.fromkeys(kinds, ()), offset, None)
        block = self._artifacts.table_rows(found, offset, limit or 100)
        columns = {name: cells(kind, block[name]) for name, kind in kinds.items()}
        stop = offset + len(next(iter(columns.values())))
        return DatasetRows(kinds, columns, offset, stop if stop < found.rows else None)

    def csv(self, dataset: str) -> Iterator[bytes]:
        """Return all rows as CSV, block by block. Raises `DatasetNotFound`, and `DataLoss` also in between."""
        found = self._datasets.get(dataset)
        table = self._artifacts.table(found)
        with reading_stored("dataset", found.id, "DATASET"):
            table.block(0, most_rows=1)  # what is lost is said before the first byte
        return csv_of(found.columns, table.blocks())

    def read(
        self, path: Path, sha256: str, header: FileHeader, choices: ReadingChoices, stopping: threading.Event
    ) -> TableDataset:
        """Read a file that has arrived, in a process of its own, and store what was read."""
        with self._turn(stopping), self._artifacts.new_folder() as folder:
            with storage_errors():
                os.link(path, folder / FILE)
            table = read_in_process(folder, self._limits(), stopping, choices)
            self._artifacts.keep_table(folder / TABLE, table)
            return self._datasets.add(table, name=header.name, file_sha256=sha256, transient=header.transient)

    @contextmanager
    def opened(
        self, chunks: Iterable[bytes], choices: ReadingChoices, *, max_rows: int
    ) -> Generator[tuple[ReadTable, StoredTable]]:
        """Read a file, and run the block with its table, of which nothing is stored.

        Raises as `FileUpload.submit`, and `TooLarge` beyond `max_rows`, or if the file unpacks to much more than a body
        may have.
        """
        most = min(self._settings.max_dataset_bytes, _UNPACKED * self._settings.max_body_bytes)
        limits = replace(self._limits(), max_rows=max_rows, max_bytes=most)
        with self._artifacts.new_folder() as folder:
            with storage_errors(), (folder / FILE).open("wb") as file:
                file.writelines(chunks)
            with self._turn(never := threading.Event()):
                table = read_in_process(folder, limits, never, choices)
            yield table, stored_table(folder / TABLE, table)

    @contextmanager
    def _turn(self, stopping: threading.Event) -> Generator[None]:
        """Run the block when few enough files are being read."""
        waited = 0.0
        while not self._reading.acquire(timeout=_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            if stopping.is_set() or waited > self._settings.reading_seconds:
                detail = "other files are being read: send the file again"
                raise Unavailable(detail, reason="READERS_BUSY", retry_after=10)
        try:
            yield
        finally:
            self._reading.release()

    def _limits(self) -> ReadingLimits:
        settings = self._settings
        return ReadingLimits(
            seconds=settings.reading_seconds,
            memory_bytes=settings.reading_memory_bytes,
            max_bytes=settings.max_dataset_bytes,
            max_columns=settings.max_columns,
            max_name_bytes=settings.max_label_bytes,
            max_text_bytes=settings.max_text_bytes,
        )


class FileUpload:
    """A file while it is received. Ends with `submit()` or `close()`, or both."""

    def __init__(
        self, header: FileHeader, choices: ReadingChoices, file: PartialUpload, datasets: Datasets, *, max_bytes: int
    ) -> None:
        self._header = header
        self._choices = choices
        self._most = max_bytes
        self._file = file
        self._datasets = datasets
        self._stopping = threading.Event()

    @property
    def offset(self) -> int:
        """The number of bytes that have arrived."""
        return self._file.offset

    def add(self, data: bytes, *, offset: int) -> None:
        """Add the bytes that begin at `offset` of the file. Raises `InvalidRequest`."""
        if offset != self._file.offset:
            detail = f"expected the bytes from {self._file.offset} on, got those from {offset} on"
            raise InvalidRequest(f"{detail}; GetUpload says where to go on", pointer="offset", reason="WRONG_OFFSET")
        end, size = offset + len(data), self._header.size
        if size is None and end > self._most:
            raise _too_large(f"{end:,} or more", self._most)
        if size is not None and end > size:
            detail = f"expected {counted(size, 'byte')}, as announced, got {end:,} or more"
            raise InvalidRequest(detail, pointer="size", reason="TOO_MANY_BYTES")
        self._file.add(data)

    def submit(self) -> TableDataset:
        """Read the file, and return its dataset, which is durable from then on; the file is removed.

        After an error of the file itself it is removed, too. Otherwise, the upload may go on: it then needs no more
        than its header.
        """
        size = self._header.size
        if size is not None and self._file.offset != size:
            detail = f"expected {counted(size, 'byte')}, as announced, got {self._file.offset:,}"
            raise InvalidRequest(detail, pointer="size", reason="UPLOAD_INCOMPLETE")
        try:
            with storage_errors():
                sha256 = self._file.sha256()
            if self._header.sha256 and self._header.sha256 != sha256:
                detail = f"expected a file of this SHA-256, got one of {sha256}: send it again from its start"
                raise InvalidRequest(detail, pointer="sha256", reason="UPLOAD_DAMAGED")
            dataset = self._datasets.read(self._file.path, sha256, self._header, self._choices, self._stopping)
        except InvalidRequest:
            self._file.remove()
            raise
        except Unavailable as error:
            if not self._header.upload_id:
                raise
            detail = f"{error.detail}; the upload goes on where it was"
            raise Unavailable(detail, reason=error.reason, retry_after=error.retry_after) from error
        self._file.remove()
        return dataset

    def stop(self) -> None:
        """Make `submit`, in another thread, end soon."""
        self._stopping.set()

    def close(self) -> None:
        """End the upload for now: what has arrived is kept, if it can go on."""
        self._file.close()


def _check_header(header: FileHeader, most: int) -> None:
    if header.upload_id:
        _check_upload_id(header.upload_id)
    if header.size is not None and header.size < 1:
        detail = f"expected the size of the file in bytes, at least 1, got {header.size}"
        raise InvalidRequest(detail, pointer="size", reason="EMPTY_FILE" if header.size == 0 else "")
    if header.size is not None and header.size > most:
        raise _too_large(f"{header.size:,}", most)
    if len(header.name) > _MOST_NAME or not header.name.isprintable():
        detail = f"expected a name of at most {_MOST_NAME} visible characters, got {header.name[:64]!r}"
        raise InvalidRequest(detail, pointer="name", reason="INVALID_NAME")
    if header.sha256 and not _SHA256.fullmatch(header.sha256):
        detail = f"expected 64 hexadecimal digits in lower case, got {header.sha256[:80]!r}"
        raise InvalidRequest(detail, pointer="sha256")


def _too_large(size: str, most: int) -> TooLarge:
    detail = f"expected a file of at most {most:,} bytes (max_dataset_bytes), got {size}"
    return TooLarge(detail, pointer="size", reason="DATASET_TOO_LARGE")


def _check_upload_id(upload_id: str) -> None:
    if not _UPLOAD_ID.fullmatch(upload_id):
        detail = f"expected 1 to 128 letters, digits, dots, dashes and underscores, got {upload_id[:64]!r}"
        raise InvalidRequest(detail, pointer="upload_id")
