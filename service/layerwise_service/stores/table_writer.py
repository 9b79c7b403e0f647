"""Writer of tables: checks, hashes and writes the columns of each block to disk as it arrives.

A column of numbers is `column<i>.npy`, (rows,) float64. One of texts is `column<i>.texts.npy`, their UTF-8 one after
the other, and `column<i>.ends.npy`, (rows,) int64: where each ends in it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted
from layerwise.errors import Place
from layerwise_service.domain.datasets import StoredColumn, Table, rows_of
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.stores.npy_file import NpyFile

NUMBERS, ENDS, BYTES = np.dtype("<f8"), np.dtype("<i8"), np.dtype("u1")


def column_files(folder: Path, index: int, column: StoredColumn) -> tuple[Path, ...]:
    """Return the files of a column: one of numbers, or one of texts and one of where each text ends."""
    if column.kind == "numbers":
        return (folder / f"column{index}.npy",)
    return folder / f"column{index}.texts.npy", folder / f"column{index}.ends.npy"


class TableWriter:
    """Columns of a table that are being written into `folder`.

    Errors are `InvalidRequest` with the place in their pointers, and leave what was written before untouched.
    """

    def __init__(self, folder: Path, *, max_columns: int, max_name_bytes: int, max_text_bytes: int) -> None:
        self._folder = folder
        self._max_columns = max_columns
        self._max_name_bytes = max_name_bytes
        self._max_text_bytes = max_text_bytes
        self._rows = 0
        self._files: list[tuple[NpyFile, ...]] = []
        self._text_bytes: list[int] = []
        self.columns: tuple[StoredColumn, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Bytes of the columns on disk, without headers."""
        return self._rows * len(self.columns) * 8 + sum(self._text_bytes)

    def checked(self, table: Table, at: Place, *, first: int = 0) -> Callable[[], None]:
        """Return the writer of the rows of `table`, once these fit the earlier ones.

        Raises `InvalidRequest`, whose places in `at` count rows from `first` on.
        """
        columns = tuple(
            StoredColumn(name, "numbers" if isinstance(values, np.ndarray) else "texts")
            for name, values in table.items()
        )
        self._check_columns(columns, at)
        if (rows := rows_of(table)) == 0:
            raise InvalidRequest("expected at least one row, got none", pointer=at)
        blocks = [self._block(name, values, at, first) for name, values in table.items()]

        def write() -> None:
            if not self.columns:
                self.columns, self._text_bytes = columns, [0] * len(columns)
                files = [column_files(self._folder, index, column) for index, column in enumerate(columns)]
                self._files = [tuple(NpyFile(path) for path in paths) for paths in files]
            for index, (files_of_column, block) in enumerate(zip(self._files, blocks, strict=True)):
                *texts, last = block
                if texts:
                    last = last + self._text_bytes[index]
                    self._text_bytes[index] = int(last[-1])
                for file, part in zip(files_of_column, (*texts, last), strict=True):
                    file.append(part)
            self._rows += rows

        return write

    def close(self, *, durable: bool = True) -> tuple[tuple[str, ...], ...]:
        """Complete the files, flush them to the disk if they are to be `durable`, and return each column's digests."""
        digests: list[tuple[str, ...]] = []
        for files, column, size in zip(self._files, self.columns, self._text_bytes, strict=True):
            if column.kind == "numbers":
                digests.append((files[0].close((self._rows,), NUMBERS, durable=durable),))
            else:
                texts, ends = files
                written = texts.close((size,), BYTES, durable=durable), ends.close((self._rows,), ENDS, durable=durable)
                digests.append(written)
        return tuple(digests)

    def _check_columns(self, columns: tuple[StoredColumn, ...], at: Place) -> None:
        if not self.columns:
            if not columns:
                raise InvalidRequest("expected at least one column, got none", pointer=Place(at, "columns"))
            if len(columns) > self._max_columns:
                detail = f"expected at most {self._max_columns} columns, got {len(columns)}"
                raise TooLarge(detail, pointer=Place(at, "columns"))
            for index, column in enumerate(columns):
                if (size := len(column.name.encode())) > self._max_name_bytes:
                    detail = f"expected a name of at most {self._max_name_bytes} bytes, got {size}"
                    raise TooLarge(detail, pointer=Place(at, "columns", index, "name"))
            return
        if len(columns) != len(self.columns):
            detail = f"expected {counted(len(self.columns), 'column')}, as in the batches before, got {len(columns)}"
            raise InvalidRequest(detail, pointer=Place(at, "columns"))
        for index, (column, before) in enumerate(zip(columns, self.columns, strict=True)):
            if column.name != before.name:
                detail = f"expected {before.name!r} as in the batches before, got {column.name!r}"
                raise InvalidRequest(detail, pointer=Place(at, "columns", index, "name"))
            if column.kind != before.kind:
                detail = f"expected {before.kind} in {before.name!r} as in the batches before, got {column.kind}"
                raise InvalidRequest(detail, pointer=Place(at, "columns", index))

    def _block(
        self, name: str, values: NDArray[np.float64] | list[str], at: Place, first: int
    ) -> tuple[NDArray[Any], ...]:
        """Return what is appended to the files of a column; for texts, also where each ends within the block."""
        if isinstance(values, np.ndarray):
            if (infinite := np.isinf(values)).any():
                row = int(np.argmax(infinite))
                detail = f"expected a finite number, or NaN where it is missing, got {values[row]}"
                raise InvalidRequest(detail, pointer=Place(at, "rows", first + row, name), reason="NOT_FINITE")
            # one NaN for all, so that the same rows have the same hash
            return (np.where(np.isnan(values), np.nan, values).astype(NUMBERS, copy=False),)
        joined = "".join(values)
        data = joined.encode()
        plain = len(data) == len(joined)
        lengths = map(len, values) if plain else (len(text.encode()) for text in values)
        sizes = np.fromiter(lengths, ENDS, len(values))
        if (longer := sizes > self._max_text_bytes).any():
            row = int(np.argmax(longer))
            detail = f"expected a text of at most {self._max_text_bytes} bytes, got {sizes[row]}"
            raise TooLarge(detail, pointer=Place(at, "rows", first + row, name))
        return np.frombuffer(data, BYTES), np.cumsum(sizes, dtype=ENDS)
