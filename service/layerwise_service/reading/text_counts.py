"""The texts of a column, counted block by block in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.column_texts import PlainNumbers, plain_numbers
from layerwise.tables.formats import NumberFormat

MOST_TEXTS = 100_000
"""The most texts of a column, other than plain numbers, from which its format is inferred: the first."""
_FIRST = 100


class TextCounts:
    """What is counted of a column's texts; "" is a cell without a value, and `gaps` are words for one.

    `texts` has the number of rows of each text that is no plain number, or that is a word for a gap; those beyond
    `MOST_TEXTS` are counted as different, no more. `plain` is about the plain numbers, `first` has the first texts.
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
        """The number of different texts, but for blanks around them."""
        if len(self._hashes) > 1:
            self._hashes = [np.unique(np.concatenate(self._hashes))]
        return sum(map(len, self._hashes))
