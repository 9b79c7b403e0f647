"""Use-cases of datasets: receive and read files and tables; list, show and delete datasets."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

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
from layerwise_service.errors import InvalidRequest, Unavailable
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import FILE, TABLE, ReadingLimits, table_of
from layerwise_service.reading.read_table import read_table
from layerwise_service.reading.reader import read_in_process
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore, stored_table
from layerwise_service.stores.dataset_store import DatasetStore, token_of
from layerwise_service.stores.files import reading_stored, storage_errors
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.stores.uploads import Uploads
from layerwise_service.usecases.dataset_headers import (
    DatasetHeader,
    FileHeader,
    TableHeader,
    check_upload_id,
    file_too_large,
)
from layerwise_service.usecases.file_upload import FileUpload
from layerwise_service.usecases.table_upload import TableUpload

_READERS = 2  # at the same time in each process: each takes a core, and the memory of the setting
_READ_HERE_AT_ONCE = 2  # more would keep other calls waiting: they share the interpreter
_LOOK_SECONDS = 0.1
_READ_HERE = 2**23
"""A table of at most so many bytes is read in this process, which takes less time than to start another."""
_UNPACKED = 8
"""A file that is only predicted may have so many times the bytes of the largest body when it is unpacked."""


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
        self._reading_here = threading.BoundedSemaphore(_READ_HERE_AT_ONCE)

    def upload(self, header: FileHeader) -> FileUpload[TableDataset]:
        """Begin to receive a file, or go on with it.

        Raises `InvalidRequest`, `ModelNotFound`, `VersionNotFound`, and `Unavailable` while another stream sends the
        same upload.
        """
        choices, most = self._checked(header), self._settings.max_dataset_bytes
        file = self._uploads.open(header.upload_id)
        read = partial(self._read_file, header, choices)
        return FileUpload(header, file, read, max_bytes=most, too_large=file_too_large)

    def upload_table(self, header: TableHeader) -> TableUpload:
        """Begin to receive a table. Raises as `upload`."""
        read = partial(self._read_table, header, self._checked(header))
        return TableUpload(header, self._artifacts.new_folder(), read, self._settings)

    def _checked(self, header: DatasetHeader) -> ReadingChoices:
        """Check the header, before a gigabyte is sent, and return how the caller wants the cells to be read."""
        header.check(self._settings.max_dataset_bytes)
        known = self._formats_of(*header.read_as) if header.read_as else None
        choices = ReadingChoices.checked(header.formats, header.gaps, known)
        self._artifacts.check()
        return choices

    def offset(self, upload_id: str) -> int:
        """Return how many bytes of an upload are on the disk: where the next stream has to begin."""
        check_upload_id(upload_id)
        return self._uploads.offset(upload_id)

    def get(self, dataset: str, *, pointer: str = "id") -> TableDataset:
        """Return the dataset, which `pointer` of the request names. Raises `DatasetNotFound`."""
        return self._datasets.get(dataset, pointer=pointer)

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
        return self._rows_of(found, csv_of(found.columns, table.blocks()))

    def _rows_of(self, dataset: TableDataset, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the chunks, of which each is read when it is asked for. Raises `DataLoss`."""
        with reading_stored("dataset", dataset.id, "DATASET"):
            yield from chunks

    def _read_file(
        self, header: FileHeader, choices: ReadingChoices, path: Path, sha256: str, stopping: threading.Event
    ) -> TableDataset:
        """Read a file that has arrived, in a process of its own, and store what was read."""
        with self._artifacts.new_folder() as folder:
            with storage_errors():
                os.link(path, folder / FILE)
            with self._turn(self._reading, stopping):
                table = read_in_process(folder, self._limits(), stopping, choices)
            return self._keep(header, table, folder, sha256)

    def _read_table(
        self, header: TableHeader, choices: ReadingChoices, folder: Path, size: int, stopping: threading.Event
    ) -> TableDataset:
        """Read a table of `size` bytes that has arrived in `folder`, and store what was read."""
        if size <= _READ_HERE:
            with self._turn(self._reading_here, stopping):
                table = table_of(read_table(folder, self._limits(), choices))
        else:
            with self._turn(self._reading, stopping):
                table = read_in_process(folder, self._limits(), stopping, choices)
        return self._keep(header, table, folder, "")

    def _keep(self, header: DatasetHeader, table: ReadTable, folder: Path, file_sha256: str) -> TableDataset:
        self._artifacts.keep_table(folder / TABLE, table)
        return self._datasets.add(table, name=header.name, file_sha256=file_sha256, transient=header.transient)

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
            with self._turn(self._reading, never := threading.Event()):
                table = read_in_process(folder, limits, never, choices)
            yield table, stored_table(folder / TABLE, table)

    @contextmanager
    def _turn(self, readers: threading.Semaphore, stopping: threading.Event) -> Generator[None]:
        """Run the block when one of the `readers` is free."""
        waited = 0.0
        while not readers.acquire(timeout=_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            if stopping.is_set() or waited > self._settings.reading_seconds:
                detail = "other files and tables are being read: send yours again later"
                raise Unavailable(detail, reason="READERS_BUSY", retry_after=10)
        try:
            yield
        finally:
            readers.release()

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
