"""Rows that are there twice: within a dataset, or among training and validation rows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import counted
from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.profiling.sample import ColumnSample

_FEW = 0.01  # a smaller share of copies does no harm


class RowHashes:
    """Hashes of the sampled rows, over the columns that were added, and how much these columns tell rows apart."""

    def __init__(self, rows: int) -> None:
        self.hashes = np.zeros(rows, np.uint64)
        self._bits = 0.0
        self._columns = 0

    def add(self, sample: ColumnSample) -> None:
        """Add a column. Hashes can be compared if the same columns were added in the same order."""
        self.hashes = self.hashes * np.uint64(0x9E3779B97F4A7C15) + sample.hashes()
        self.hashes ^= self.hashes >> np.uint64(32)
        gaps = len(sample.codes) - sample.there
        shares = np.append(sample.counts, gaps) / len(sample.codes)
        self._bits -= math.log2(float((shares**2).sum()))
        self._columns += 1

    def chance(self, pairs: float) -> float:
        """Return how many of so many pairs of rows could be equal by chance.

        Each column halves the number of equal pairs once for each of its bits (the collision entropy, Rényi 1961) if
        columns do not depend on each other; since they do, half of the bits are counted.
        """
        return pairs * 2 ** (-self._bits / 2)

    def duplicates(self) -> DatasetFinding | None:
        """Return a finding on rows that are there more than once, unless few or by chance."""
        rows = len(self.hashes)
        counts = np.unique(self.hashes, return_counts=True)[1].astype(np.float64)
        copies = rows - len(counts)
        if copies < max(2, _FEW * rows) or (counts * (counts - 1) / 2).sum() <= self.chance(rows * (rows - 1) / 2):
            return None
        message = (
            f"{counted(copies, 'row')} of {rows:,} ({100 * copies / rows:.3g} %) are copies of another: a copy among"
            " held-out rows makes the score too good. Remove them from the file"
        )
        return DatasetFinding("DUPLICATE_ROWS", (), message)

    def shared(self, validation: RowHashes, *, all_rows: bool) -> DatasetFinding | None:
        """Return a finding on rows that are also among the `validation` rows, unless few or by chance.

        `all_rows` says whether these are all rows of both datasets.
        """
        own: NDArray[np.bool_] = np.isin(validation.hashes, self.hashes)
        both, rows = int(own.sum()), len(own)
        if not both or both < _FEW * rows or both <= self.chance(float(len(self.hashes)) * rows):
            return None
        message = (
            f"{'' if all_rows else 'at least '}{both:,} of the {rows:,} validation rows"
            f" ({100 * both / rows:.3g} %) are also training rows, which makes the score too good. Remove them from one"
            " of the files"
        )
        return DatasetFinding("ROWS_IN_BOTH", (), message)
