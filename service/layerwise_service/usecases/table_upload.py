"""Use-case of datasets: receive a table in memory, block by block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from layerwise.checks import counted
from layerwise.errors import Place
from layerwise_service.domain.datasets import Table, rows_of
from layerwise_service.domain.table_datasets import TableDataset
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.reading.exchange import FILE
from layerwise_service.reading.sent_columns import SentColumns
from layerwise_service.settings import Settings
from layerwise_service.stores.files import storage_errors
from layerwise_service.stores.table_writer import TableWriter
from layerwise_service.usecases.dataset_headers import TableHeader


class TableUpload:
    """A table while it is received. Ends with `submit()` or `close()`, or both.

    `folder` is where it is kept in the meantime. `read` makes a dataset of it, given this folder, the size in bytes,
    and an event that asks it to end soon.
    """

    def __init__(
        self,
        header: TableHeader,
        folder: AbstractContextManager[Path],
        read: Callable[[Path, int, threading.Event], TableDataset],
        settings: Settings,
    ) -> None:
        self._header = header
        self._read = read
        self._most = settings.max_dataset_bytes
        self._kinds: dict[str, str] = {}
        self._rows = 0
        self._stopping = threading.Event()
        self._open = ExitStack()
        self._folder = self._open.enter_context(folder)
        with storage_errors():
            (self._folder / FILE).mkdir(mode=0o700)
        self._writer = TableWriter(
            self._folder / FILE,
            max_columns=settings.max_columns,
            max_name_bytes=settings.max_label_bytes,
            max_text_bytes=settings.max_text_bytes,
        )

    def add(self, table: Table, kinds: Mapping[str, str]) -> None:
        """Add some rows; `kinds` has the types of those columns whose type was sent. Raises `InvalidRequest`."""
        rows = rows_of(table)
        if self._rows + rows > self._header.rows:
            detail = f"expected {counted(self._header.rows, 'row')}, as announced, got more"
            raise InvalidRequest(detail, pointer="rows", reason="TOO_MANY_ROWS")
        if not self._rows:
            self._kinds = dict(kinds)
        write = self._writer.checked(table, Place(), first=self._rows)
        if other := next((name for name in table if kinds.get(name) != self._kinds.get(name)), None):
            wanted, got = (each.get(other, "unspecified") for each in (self._kinds, kinds))
            detail = f"expected the type {wanted}, as in the rows before, got {got}"
            raise InvalidRequest(detail, pointer=Place("columns", other))
        with storage_errors():
            write()
        if self._writer.size_bytes > self._most:
            detail = f"expected at most {self._most:,} bytes (max_dataset_bytes), the table has more"
            raise TooLarge(detail, pointer="rows", reason="DATASET_TOO_LARGE")
        self._rows += rows

    def submit(self) -> TableDataset:
        """Return the dataset of the rows, which is durable from then on."""
        if self._rows != self._header.rows:
            detail = f"expected {counted(self._header.rows, 'row')}, as announced, got {self._rows:,}"
            raise InvalidRequest(detail, pointer="rows", reason="ROWS_MISSING")
        with storage_errors():
            self._writer.close(durable=False)  # they are read at once, and removed
            SentColumns(self._rows, self._writer.columns, self._kinds).write(self._folder / FILE)
        return self._read(self._folder, self._writer.size_bytes, self._stopping)

    def stop(self) -> None:
        """Make `submit`, in another thread, end soon."""
        self._stopping.set()

    def close(self) -> None:
        """Remove what has arrived."""
        self._open.close()
