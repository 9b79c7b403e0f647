"""The texts of a column, counted block by block in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.column_texts import PlainNumbers, plain_numbers
from layerwise.tables.formats import NumberFormat

MOST_TEXTS = 100_000
"""The format of a column is inferred from its first so many different texts that are no plain numbers."""
_FIRST = 100


class TextCounts:
    """Counts of a column's texts. "" stands for a missing value, and `gaps` are words for one.

    `empty` is the number of rows of "". `texts` has the number of rows of each text that is no plain number, or is a
    word for a missing value; beyond `MOST_TEXTS` of them, others count in `distinct` alone. `plain` is about the plain
    numbers, and `first` has the first different texts.
    """

    def __init__(self, gaps: tuple[str, ...]) -> None:
        self._gaps = NumberFormat(gaps)
        self._hashes: list[NDArray[np.int64]] = []
        self.empty = 0
        self.plain = PlainNumbers()
        self.texts: dict[str, int] = {}
        self.first: list[str] = []

    def add(self, values: Sequence[str]) -> None:
        """Count the texts of some rows."""
        counts: dict[str, int] = Counter(values)
        self.empty += counts.pop("", 0)
        if len(self.first) < _FIRST:
            self.first = list(dict.fromkeys([*self.first, *counts]))[:_FIRST]
        self._hashes.append(np.unique(np.fromiter((hash(text.strip()) for text in counts), np.int64, len(counts))))
        plain, others = plain_numbers(counts)
        if self._gaps.all_gaps != self._gaps.gaps:  # some of them are numbers
            words = {text: rows for text, rows in counts.items() if self._gaps.is_gap(text.strip())}
            plain, others = plain_numbers({text: rows for text, rows in counts.items() if text not in words})
            others |= words
        self.plain += plain
        for text, rows in others.items():
            if text in self.texts or len(self.texts) < MOST_TEXTS:
                self.texts[text] = self.texts.get(text, 0) + rows

    @property
    def distinct(self) -> int:
        """The number of different texts; blanks around them make no difference."""
        if len(self._hashes) > 1:
            self._hashes = [np.unique(np.concatenate(self._hashes))]
        return sum(map(len, self._hashes))
