"""Splits of a table into training and held-out rows."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from layerwise.data.arrays import blocks
from layerwise.data.mapped_files import FileTable, RowTable
from layerwise.errors import InvalidInput


class Runs:
    """Sorted row numbers, stored as runs of consecutive rows to save memory.

    Run i is the rows `starts[i]` to `stops[i]` - 1; with a `mask` (n,) over the table, those of them where it is true.
    A slice is an array of row numbers, and so is np.asarray of the whole.
    """

    def __init__(
        self, starts: NDArray[np.intp], stops: NDArray[np.intp], mask: NDArray[np.bool_] | None = None
    ) -> None:
        self._starts, self._stops, self._mask = starts, stops, mask
        self.lengths: NDArray[np.intp] = stops - starts
        if mask is not None:
            pairs = zip(starts, stops, strict=True)
            self.lengths = np.array([np.count_nonzero(mask[start:stop]) for start, stop in pairs], np.intp)
        self._ends = np.cumsum(self.lengths)

    def __len__(self) -> int:
        return int(self._ends[-1]) if self._ends.size else 0

    def run(self, i: int) -> NDArray[np.intp]:
        """Return the rows of run `i`."""
        start, stop = self._starts[i], self._stops[i]
        if self._mask is None:
            return np.arange(start, stop, dtype=np.intp)
        rows: NDArray[np.intp] = np.flatnonzero(self._mask[start:stop])
        rows += start
        return rows

    def __getitem__(self, part: slice) -> NDArray[np.intp]:
        start, stop, step = part.indices(len(self))
        if step != 1:
            return np.array([self[at : at + 1][0] for at in range(start, stop, step)], np.intp)
        if start >= stop:
            return np.empty(0, np.intp)
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        before = int(self._ends[first] - self.lengths[first])
        rows = np.concatenate([self.run(i) for i in range(first, last + 1)])
        return rows[start - before : stop - before]

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(np.intp if dtype is None else dtype, copy=False)


RowNumbers: TypeAlias = NDArray[np.intp] | Runs


def all_rows(table: RowTable) -> RowNumbers:
    """Return the numbers of all rows of `table`; for a file, one run for each block."""
    return _consecutive_rows(table, 0, len(table))


def split_rows(
    table: RowTable, classes: NDArray[Any] | None, fraction: float, *, kind: str, rng: np.random.Generator
) -> tuple[RowNumbers, RowNumbers]:
    """Return training rows and a `fraction` of held-out rows, by a split of this `kind`. Raises InvalidInput.

    A "stratified" one needs the `classes` (n,) as indices.
    """
    if kind == "temporal":
        return temporal_split(table, fraction)
    if kind == "stratified":
        assert classes is not None
        return stratified_split(table, classes, fraction, rng)
    return random_split(table, fraction, rng)


def random_split(table: RowTable, fraction: float, rng: np.random.Generator) -> tuple[RowNumbers, RowNumbers]:
    """Return training rows and a random `fraction` of held-out rows. Raises InvalidInput.

    In a file, whole blocks are held out, so that validation reads no other rows.
    """
    if isinstance(table, FileTable):
        held = _held_out_count(table.blocks, fraction, "blocks")
        order: NDArray[np.intp] = rng.permutation(table.blocks)
        return _rows_of_blocks(table, np.sort(order[held:])), _rows_of_blocks(table, np.sort(order[:held]))
    held = _held_out_count(len(table), fraction)
    rows: NDArray[np.intp] = rng.permutation(np.arange(len(table), dtype=np.intp))
    return np.sort(rows[held:]), np.sort(rows[:held])


def temporal_split(table: RowTable, fraction: float) -> tuple[RowNumbers, RowNumbers]:
    """Return training rows and, held out, the last `fraction` of the rows. Raises InvalidInput."""
    cut = len(table) - _held_out_count(len(table), fraction)
    return _consecutive_rows(table, 0, cut), _consecutive_rows(table, cut, len(table))


def stratified_split(
    table: RowTable, classes: NDArray[Any], fraction: float, rng: np.random.Generator
) -> tuple[RowNumbers, RowNumbers]:
    """Return training rows and a random `fraction` of held-out rows of each class. Raises InvalidInput.

    `classes` (n,) are class indices. At least one row of each class is left for training, so that a class with one row
    has none held out. For a file it keeps a byte for each row, and validation reads the whole file.
    """
    mask = _draw_mask(classes, _held_out_counts(_class_counts(classes), fraction), rng)
    if isinstance(table, FileTable):
        every = np.arange(table.blocks, dtype=np.intp)
        return _rows_of_blocks(table, every, ~mask), _rows_of_blocks(table, every, mask)
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _held_out_count(rows: int, fraction: float, what: str = "rows") -> int:
    """Return the number of rows to hold out: at least one, and not all."""
    held = max(1, round(rows * fraction))
    if held >= rows:
        detail = f"expected rows to train on, but holding out {fraction:g} of {rows} {what} leaves none"
        raise InvalidInput("validation", detail.replace(" rows leaves", " leaves"))
    return held


def _consecutive_rows(table: RowTable, start: int, stop: int) -> RowNumbers:
    if not isinstance(table, FileTable):
        return np.arange(start, stop, dtype=np.intp)
    cuts = np.arange(table.blocks + 1, dtype=np.intp) * table.block_rows
    starts, stops = cuts[:-1].clip(start, stop), cuts[1:].clip(start, stop)
    some = starts < stops
    return Runs(starts[some], stops[some])


def _rows_of_blocks(table: FileTable, own: NDArray[np.intp], mask: NDArray[np.bool_] | None = None) -> Runs:
    """Return the rows of the blocks `own`."""
    starts = own * table.block_rows
    return Runs(starts, np.minimum(starts + table.block_rows, len(table)), mask)


def _class_counts(classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return the number of rows of each class."""
    counts: NDArray[np.intp] = np.zeros(1, np.intp)
    for block in blocks(len(classes), 1):
        own = np.bincount(classes[block])
        counts = np.pad(counts, (0, max(0, len(own) - len(counts))))
        counts[: len(own)] += own
    return counts


def _held_out_counts(counts: NDArray[np.intp], fraction: float) -> NDArray[np.intp]:
    """Return how many rows of each class to hold out: `fraction` of each, rounded so that the total is closest."""
    _held_out_count(int(counts.sum()), fraction)
    most = np.maximum(counts - 1, 0)
    if not most.any():
        raise InvalidInput("validation", "expected rows to hold out, but every class has only one row")
    exact = counts * fraction
    shares = np.minimum(exact.astype(np.intp), most)
    missing = max(1, round(float(exact.sum()))) - int(shares.sum())
    nearest = np.argsort(shares - exact, kind="stable")  # the largest remainder first
    more = [c for c in nearest if shares[c] < most[c]][: max(0, missing)]
    shares[more] += 1
    return shares


def _draw_mask(classes: NDArray[Any], shares: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return a mask (n,) of `shares[c]` random rows of each class c, drawn block by block.

    How many of them are in a block is drawn from the hypergeometric distribution; which ones, by a permutation.
    """
    mask = np.zeros(len(classes), np.bool_)
    left, wanted = _class_counts(classes), shares.copy()
    for block in blocks(len(classes), 1):
        own = classes[block]
        for c in np.unique(own):
            rows = np.flatnonzero(own == c)
            left[c] -= len(rows)
            held = int(rng.hypergeometric(len(rows), left[c], wanted[c]))
            wanted[c] -= held
            mask[block.start + rng.permutation(rows)[:held]] = True
    return mask
