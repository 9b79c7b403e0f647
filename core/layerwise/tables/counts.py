"""Counts of the categories of a column, in bounded memory."""

from collections.abc import Iterator
from heapq import nsmallest

import numpy as np

from layerwise.tables.category_encodings import MOST_CATEGORIES
from layerwise.tables.reading import Categories


class CategoryCounts:
    """Row counts of categories, exact for up to `most` categories.

    Beyond twice as many, the rarest are forgotten, and all counts are lowered by the largest forgotten one. So no count
    is wrong by more than rows / most, and no category with more rows than that is lost. Misra and Gries 1982; Agarwal
    et al. 2012.
    """

    def __init__(self, most: int = MOST_CATEGORIES) -> None:
        self._most = most
        self._counts: dict[str, int] = {}
        self.exact = True
        """Whether no category was forgotten."""
        self.rows = 0
        """The number of rows with a category."""

    def add(self, found: Categories) -> None:
        """Add the rows of a block."""
        present = found.codes[found.codes >= 0]
        counts = self._counts
        for text, count in zip(found.texts, np.bincount(present, minlength=len(found.texts)).tolist(), strict=True):
            if count:
                counts[text] = counts.get(text, 0) + count
        self.rows += len(present)
        if len(counts) > 2 * self._most:
            self._forget()

    def _forget(self) -> None:
        self.exact = False
        lowered = sorted(self._counts.values(), reverse=True)[self._most]
        self._counts = {text: count - lowered for text, count in self._counts.items() if count > lowered}

    def frequent(self, most: int) -> dict[str, int]:
        """Return the `most` most frequent categories with their counts; ties are broken by text."""
        return dict(nsmallest(most, self._counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def single(self) -> int:
        """The number of categories with one row."""
        return sum(count == 1 for count in self._counts.values())

    def at_least(self, rows: int, most: int) -> int:
        """Return how many categories have at least so many rows, at most `most`."""
        return min(most, sum(count >= rows for count in self._counts.values()))

    def __iter__(self) -> Iterator[str]:
        """Iterate over the categories that are counted."""
        return iter(self._counts)

    def __len__(self) -> int:
        """Return the number of categories that are counted."""
        return len(self._counts)
