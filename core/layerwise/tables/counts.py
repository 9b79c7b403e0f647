"""How often each category of a column comes, in bounded memory."""

from collections.abc import Iterator
from heapq import nsmallest

import numpy as np

from layerwise.tables.encodings import MOST_CATEGORIES
from layerwise.tables.reading import Categories


class CategoryCounts:
    """The rows of each category, exact up to `most` different ones.

    Beyond twice as many, the rarest are forgotten and all counts lowered by the greatest forgotten one: no count is off
    by more than rows / most, and no category of more rows than that is lost. Misra and Gries 1982; Agarwal et al. 2012.
    """

    def __init__(self, most: int = MOST_CATEGORIES) -> None:
        self._most = most
        self._counts: dict[str, int] = {}
        self.exact = True
        """Whether nothing was forgotten."""
        self.rows = 0
        """All rows that have a category."""

    def add(self, found: Categories) -> None:
        """Adds the rows of a block."""
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
        """The `most` categories of the most rows, ties by text, with their rows."""
        return dict(nsmallest(most, self._counts.items(), key=lambda item: (-item[1], item[0])))

    def __iter__(self) -> Iterator[str]:
        """Those that are known."""
        return iter(self._counts)

    def __len__(self) -> int:
        """How many different ones are known."""
        return len(self._counts)
