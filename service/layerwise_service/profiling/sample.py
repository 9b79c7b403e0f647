"""The rows of a stored dataset that are looked at, column by column: all, or runs of rows spread over the dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from layerwise_service.domain.table_datasets import TEXTS, DatasetColumn, as_text, cells
from layerwise_service.stores.table_reader import StoredTable

MOST_ROWS = 200_000
MOST_CELLS = 4_000_000
LEAST_ROWS = 1_000
"""The rows of a sample: at most `MOST_ROWS`, and at most `MOST_CELLS` cells unless these are fewer rows."""
QUICK_CELLS = 60_000
QUICK_LEAST_ROWS = 200
"""The same of a quick sample, which is looked at in a tenth of a second."""
MOST_TEXT = 256
"""Longer texts are compared by so many characters."""
_ABOUT_ALL = 0.8  # of the rows: the number of different texts is an estimate
_RUN = 256
_BLOCK = 8_192
_NUMBERS = 262_144


def sampled_rows(rows: int, columns: int, *, quick: bool) -> int:
    """Return how many rows of a dataset of this size are looked at."""
    most, least = (QUICK_CELLS, QUICK_LEAST_ROWS) if quick else (MOST_CELLS, LEAST_ROWS)
    return min(rows, MOST_ROWS, max(least, most // columns))


@dataclass(frozen=True)
class ColumnSample:
    """The sampled values of a column.

    The dataset has `rows`. `codes`, (sampled rows,), are the place of each row's value among the different `values`, -1
    where there is none. `values` are numbers in ascending order, (distinct,), or texts in the order of their first
    rows, cut to `MOST_TEXT` characters. `counts` has the rows of each. `lengths`, of texts alone, has the characters of
    each row with a value.
    """

    column: DatasetColumn
    rows: int
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    values: NDArray[np.float64] | list[str]
    lengths: NDArray[np.int64] | None

    @property
    def name(self) -> str:
        return self.column.name

    @property
    def kind(self) -> str:
        return self.column.kind

    @property
    def is_whole_dataset(self) -> bool:
        """Whether all rows of the dataset are in the sample."""
        return len(self.codes) == self.rows

    @property
    def distinct(self) -> int:
        return len(self.counts)

    @cached_property
    def there(self) -> int:
        """The number of sampled rows with a value."""
        return int(self.counts.sum())

    @cached_property
    def shown(self) -> list[str]:
        """The different values as texts."""
        if isinstance(self.values, list):
            return self.values
        if self.kind == "number":
            return [_short(value) for value in self.values.tolist()]
        return [as_text(cell) for cell in cells(self.kind, self.values)]

    @property
    def is_numeric(self) -> bool:
        return not isinstance(self.values, list)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The stored numbers, (rows,), NaN where there is none; only of a numeric column."""
        assert not isinstance(self.values, list)
        return np.append(self.values, np.nan)[self.codes]

    @cached_property
    def is_whole(self) -> bool:
        """Whether these are numbers without fractions."""
        return self.kind == "number" and bool((np.asarray(self.values) == np.floor(np.asarray(self.values))).all())

    @property
    def all_differ(self) -> bool:
        """Whether every row has another value; of a sample, also by about how many texts all rows have."""
        known = self.is_whole_dataset or self.column.distinct >= _ABOUT_ALL * self.rows
        return self.distinct == len(self.codes) and known

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same value."""
        distinct = self.distinct if self.is_whole_dataset else max(self.distinct, self.column.distinct)
        return self.rows > 1 and distinct == 1 and not self.gaps

    @property
    def gaps(self) -> int:
        """The number of all rows without a value."""
        return self.rows - self.there if self.is_whole_dataset else self.column.gaps

    def hashes(self) -> NDArray[np.uint64]:
        """Return a hash of each row's value, (rows,), equal for equal values within this process."""
        if isinstance(self.values, list):
            own = np.array([hash(text) for text in self.values] + [0], np.int64).view(np.uint64)
        else:
            own = (np.append(self.values, np.nan) + 0.0).view(np.uint64)  # + 0.0: no -0.0
        own = own * np.uint64(0x9E3779B97F4A7C15)
        return (own ^ (own >> np.uint64(29)))[self.codes]

    def digest(self) -> bytes:
        """Return a digest that is equal for columns in which the same rows have the same values.

        If few rows have the same value, it is that of the values; else values may have other names in another column.
        """
        if self.distinct <= len(self.codes) // 2:
            _, first, inverse = np.unique(self.codes, return_index=True, return_inverse=True)
            rank = np.empty(len(first), np.int64)
            rank[np.argsort(first)] = np.arange(len(first))
            return sha256(rank[inverse].tobytes()).digest()
        return sha256(self.kind.encode() + self.hashes().tobytes()).digest()


class Sample:
    """The sampled rows of `table`: `most_rows` of them, or all if these are fewer."""

    def __init__(self, table: StoredTable, most_rows: int) -> None:
        self._table = table
        self._runs = list(_runs(table.rows, most_rows))
        self.rows = sum(count for _, count in self._runs)

    def column(self, column: DatasetColumn) -> ColumnSample:
        """Return the sampled values of a column."""
        runs = (self._table.values(column.name, start, count) for start, count in self._runs)
        if column.kind in TEXTS:
            return _texts(column, self._table.rows, runs, self.rows)
        return _numbers(column, self._table.rows, runs)

    def all_numbers(self, column: DatasetColumn) -> Iterator[NDArray[np.float64] | list[str]]:
        """Yield all values of a column of numbers, in blocks."""
        for start in range(0, self._table.rows, _NUMBERS):
            yield self._table.values(column.name, start, min(_NUMBERS, self._table.rows - start))


def _runs(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the number of rows of each run."""
    if rows <= most:
        for start in range(0, rows, _BLOCK):
            yield start, min(_BLOCK, rows - start)
        return
    count = max(1, most // _RUN)
    bounds = np.linspace(0, rows, count + 1).astype(np.int64)
    size = min(_RUN, most)
    shifts = np.random.default_rng(0).random(count)
    for begin, end, shift in zip(bounds[:-1].tolist(), bounds[1:].tolist(), shifts.tolist(), strict=True):
        yield begin + int(shift * (end - begin - size + 1)), size


def _numbers(column: DatasetColumn, rows: int, runs: Iterator[NDArray[np.float64] | list[str]]) -> ColumnSample:
    numbers = np.concatenate([np.asarray(run, np.float64) for run in runs])
    there = ~np.isnan(numbers)
    values, inverse, counts = np.unique(numbers[there], return_inverse=True, return_counts=True)
    codes = np.full(len(numbers), -1, np.int64)
    codes[there] = inverse
    return ColumnSample(column, rows, codes, counts.astype(np.int64), values, None)


def _texts(
    column: DatasetColumn, rows: int, runs: Iterator[NDArray[np.float64] | list[str]], sampled: int
) -> ColumnSample:
    known: dict[str, int] = {"": -1}
    codes, lengths = np.empty(sampled, np.int64), np.empty(sampled, np.int64)
    start = 0
    for run in runs:
        own = slice(start, start + len(run))
        lengths[own] = [len(text) for text in run]
        codes[own] = [known.setdefault(text[:MOST_TEXT], len(known) - 1) for text in run]
        start = own.stop
    del known[""]
    counts = np.bincount(codes[codes >= 0], minlength=len(known)).astype(np.int64)
    return ColumnSample(column, rows, codes, counts, list(known), lengths[codes >= 0])


def _short(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
