"""Reading the stored columns of a table, block by block, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise_service.domain.datasets import Shape, StoredColumn, rows_of
from layerwise_service.stores.files import open_stored, sha256_of
from layerwise_service.stores.npy_file import HEADER_BYTES
from layerwise_service.stores.table_writer import BYTES, ENDS, NUMBERS, column_files

MOST_ROWS = 8_192
MOST_BYTES = 2**22
"""Most rows and bytes of a block; a single row may have more bytes."""


class StoredTable:
    """The columns stored in `folder`, described by `shape`."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        columns = shape.columns or ()
        self.folder = folder
        self.rows = shape.rows
        self._columns = [
            (column, column_files(folder, index, column)) for index, column in enumerate(columns)
        ]  # fmt: skip
        self._by_name = {column.name: (column, paths) for column, paths in self._columns}

    def digests(self) -> tuple[tuple[str, ...], ...]:
        """Return the digests of each column's files. Raises FileNotFoundError."""
        return tuple(tuple(sha256_of(path, skip=HEADER_BYTES) for path in paths) for _, paths in self._columns)

    def blocks(self, names: Collection[str] = ()) -> Iterator[dict[str, NDArray[np.float64] | list[str]]]:
        """Yield the rows in order, as tables, with the columns `names` or all.

        Where a block ends depends only on the stored data.
        """
        start = 0
        while start < self.rows:
            block = self.block(start, names=names)
            yield block
            start += rows_of(block)

    def block(
        self, start: int, most_rows: int = 0, *, names: Collection[str] = ()
    ) -> dict[str, NDArray[np.float64] | list[str]]:
        """Return the rows from `start` on, as many as a block may have, at most `most_rows` if it is not 0."""
        columns = [each for each in self._columns if not names or each[0].name in names]
        most = min(most_rows or MOST_ROWS, self.rows - start)
        bounds = [_bounds(column, paths, start, most) for column, paths in columns]
        sizes = sum((ends[1:] - ends[0] for ends in bounds if ends is not None), start=np.zeros(most, np.int64))
        sizes = sizes + 8 * len(columns) * np.arange(1, most + 1)
        count = max(1, int(np.searchsorted(sizes, MOST_BYTES, "right")))
        return {
            column.name: _values(paths, start, count, None if ends is None else ends[: count + 1])
            for (column, paths), ends in zip(columns, bounds, strict=True)
        }

    def values(self, name: str, start: int, count: int) -> NDArray[np.float64] | list[str]:
        """Return the values of one column in the `count` rows from `start` on."""
        column, paths = self._by_name[name]
        return _values(paths, start, count, _bounds(column, paths, start, count))


def _bounds(column: StoredColumn, paths: tuple[Path, ...], start: int, count: int) -> NDArray[np.int64] | None:
    """Return the end of the text before `start`, and the ends of the `count` texts from there; None for numbers."""
    if column.kind == "numbers":
        return None
    if start == 0:
        return np.concatenate([np.zeros(1, ENDS), _read(paths[1], ENDS, 0, count)])
    return _read(paths[1], ENDS, start - 1, count + 1)


def _values(
    paths: tuple[Path, ...], start: int, count: int, ends: NDArray[np.int64] | None
) -> NDArray[np.float64] | list[str]:
    if ends is None:
        return _read(paths[0], NUMBERS, start, count)
    first = int(ends[0])
    data = _read(paths[0], BYTES, first, int(ends[-1]) - first).tobytes()
    places = (ends - first).tolist()
    if data.isascii():
        text = data.decode()
        return [text[begin:end] for begin, end in pairwise(places)]
    return [data[begin:end].decode() for begin, end in pairwise(places)]


def _read(path: Path, kind: np.dtype[Any], start: int, count: int) -> NDArray[Any]:
    with open_stored(path) as file:
        return np.fromfile(file, kind, count, offset=HEADER_BYTES + start * kind.itemsize)
