"""Memory-mapped tables larger than memory, read in blocks whose pages are released after use.

A page of a mapped file counts as memory of the process once it is read. So such a table is never read row by row: a
block is copied out of the map and its pages are released at once. The operating system may still cache them.
"""

import math
import mmap
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.data.row_source import RowSource

LARGE = 2**28
"""Bytes. Smaller tables are read like arrays in memory, and shuffled as a whole."""

BLOCK = 2**18
"""Bytes of consecutive rows read at once: enough for nearly the full speed of a disk."""

BLOCK_ROWS = 2**13
"""The most rows of a block, so that a window of a narrow table does not have too many."""

WINDOW = 2**26
"""Bytes of the blocks within which rows are shuffled. The cache holds two windows, 128 MiB."""


class Pages:
    """The memory pages of the rows of `table` in the mapped file `file`."""

    def __init__(self, table: NDArray[Any], file: mmap.mmap) -> None:
        self._table, self._file = table, file
        self._offset = table.ctypes.data - np.frombuffer(file, np.uint8).ctypes.data
        self._row_bytes = _row_bytes(table)

    def prefetch(self, rows: slice) -> None:
        """Ask the operating system to prefetch `rows`."""
        self._advise("MADV_WILLNEED", rows)

    def release(self, rows: slice) -> None:
        """Release the memory of the pages that hold `rows`; their contents, written or not, stay in the file."""
        self._advise("MADV_DONTNEED", rows)

    def _advise(self, advice: str, rows: slice) -> None:
        if hasattr(mmap, advice):  # not on Windows
            first = self._offset + rows.start * self._table.strides[0]
            last = self._offset + (rows.stop - 1) * self._table.strides[0] + self._row_bytes
            page = first - first % mmap.PAGESIZE
            self._file.madvise(getattr(mmap, advice), page, last - page)


def pages_of(table: NDArray[Any]) -> Pages | None:
    """Return the pages of `table` if it is a mapped file of at least LARGE bytes that can be read in blocks, else None.

    Not if its rows are not contiguous (as in Fortran order), or if changes of it stay in memory (mode "c").
    """
    if table.nbytes < LARGE or table.ndim == 0 or table.strides[0] < _row_bytes(table):
        return None
    base: object = table
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and base.mode == "c":
            return None
        base = cast(object, base.base)
    return Pages(table, base) if isinstance(base, mmap.mmap) else None


def _row_bytes(table: NDArray[Any]) -> int:
    """Return the number of bytes that a row spans, or a huge number if one of its strides is negative."""
    if any(step < 0 for step in table.strides[1:]):
        return 2**62
    pairs = zip(table.shape[1:], table.strides[1:], strict=True)
    return int(sum((length - 1) * step for length, step in pairs) + table.itemsize)


class FileTable(RowSource):
    """A table (n, ...) in a mapped file, read through a cache of recently used blocks.

    A block has `block_rows` consecutive rows; the cache holds two windows of `window` blocks. Rows may be read in any
    order, but the cache helps only if they are near each other, as in a `WindowShuffle`.
    """

    def __init__(self, source: NDArray[Any], pages: Pages) -> None:
        self._source, self._pages = source, pages
        self.shape, self.dtype = source.shape, source.dtype
        row_bytes = max(1, math.prod(source.shape[1:]) * source.itemsize)
        self.block_rows = max(1, min(BLOCK_ROWS, BLOCK // row_bytes))
        self.blocks = -(-len(source) // self.block_rows)
        self.window = max(1, min(WINDOW // (self.block_rows * row_bytes), WINDOW // BLOCK))
        slots = 2 * self.window
        self._cache = np.empty((slots * self.block_rows, *source.shape[1:]), source.dtype)
        self._block_in = np.full(slots, -1, np.intp)
        self._slot_of = np.full(self.blocks, -1, np.intp)
        self._oldest = 0
        self._block: NDArray[np.intp] = np.empty(slots, np.intp)
        self._place: NDArray[np.intp] = np.empty(slots, np.intp)

    def rows_of(self, block: int) -> slice:
        """Return the rows of a block; the last block may be shorter."""
        return slice(block * self.block_rows, min((block + 1) * self.block_rows, len(self)))

    def take(self, rows: NDArray[np.intp], out: NDArray[Any]) -> None:
        """Copy the rows with these numbers to `out` (m, ...), of the table's dtype."""
        slots = len(self._block_in)
        for start in range(0, len(rows), slots):  # these rows are in at most as many blocks as the cache holds
            part = rows[start : start + slots]
            block, place = self._block[: len(part)], self._place[: len(part)]
            np.floor_divide(part, self.block_rows, out=block)
            self._slot_of.take(block, 0, place, "clip")
            if int(place.min()) < 0:
                self._load(block)
                self._slot_of.take(block, 0, place, "clip")
            # slot · block_rows + (row - block · block_rows)
            np.subtract(place, block, out=place)
            np.multiply(place, self.block_rows, out=place)
            np.add(place, part, out=place)
            self._cache.take(place, 0, out[start : start + slots], "clip")

    def _load(self, blocks: NDArray[np.intp]) -> None:
        """Load the missing `blocks` into the cache, in place of the oldest blocks that are not among them."""
        wanted = set(cast(list[int], blocks.tolist()))
        missing = sorted(block for block in wanted if self._slot_of[block] < 0)
        for block in missing:
            self._pages.prefetch(self.rows_of(block))
        for block in missing:
            while int(self._block_in[self._oldest]) in wanted:
                self._oldest = (self._oldest + 1) % len(self._block_in)
            slot, rows = self._oldest, self.rows_of(block)
            if self._block_in[slot] >= 0:
                self._slot_of[self._block_in[slot]] = -1
            first = slot * self.block_rows
            np.copyto(self._cache[first : first + rows.stop - rows.start], self._source[rows])
            self._pages.release(rows)
            self._block_in[slot], self._slot_of[block] = block, slot
            self._oldest = (slot + 1) % len(self._block_in)


RowTable: TypeAlias = NDArray[Any] | RowSource


def open_table(table: NDArray[Any]) -> RowTable:
    """Return `table`, or a FileTable if it is a large mapped file."""
    pages = pages_of(table)
    return table if pages is None else FileTable(table, pages)
