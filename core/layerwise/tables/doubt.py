"""Whether a column of categories would have been numbers, or dates, but for few of its texts."""

import numpy as np

from layerwise.errors import InvalidInput
from layerwise.tables.cells import ABSENT, number_in, seconds_of
from layerwise.tables.reading import FLOAT32_MAX, Categories

MOST_ODD_TEXTS = 20
"""How many different texts may be no number: with more of them it is a column of categories, and no more is counted."""
SHARE = 20
"""At most one row in so many may have such a text."""


class MixedColumnCheck:
    """Counts the rows of a column that have a number ("number") or a date ("date") as text, and those that have not.

    `error` is that of the first cell that is none, and `before` the number of rows before its block that have one.
    """

    def __init__(self, kind: str, before: int, error: InvalidInput) -> None:
        self._kind = kind
        self._fitting = before
        error.__traceback__ = error.__context__ = None  # it is kept, and they would keep the rows of its block
        self._error = error
        self._odd_rows = 0
        self._beyond_rows = 0  # of them, those of a number that float32 does not hold
        self._odd_texts: set[str] = set()

    def add(self, found: Categories) -> None:
        """Adds the rows of a block, from that of the first such cell on."""
        if self._too_many_odd_texts:
            return
        counts = np.bincount(found.codes[found.codes >= 0], minlength=len(found.texts)).tolist()
        for text, count in zip(found.texts, counts, strict=True):
            if text in ABSENT:
                continue
            if self._fits(text):
                self._fitting += count
            else:
                self._odd_rows += count
                self._beyond_rows += count * _is_beyond(text)
                self._odd_texts.add(text)
                if self._too_many_odd_texts:
                    return

    @property
    def _too_many_odd_texts(self) -> bool:
        return len(self._odd_texts) > MOST_ODD_TEXTS

    def _fits(self, text: str) -> bool:
        try:
            if self._kind == "number":
                return abs(number_in(text)) <= FLOAT32_MAX
            seconds_of(text)
        except (ValueError, OverflowError):
            return False
        return True

    def check_range(self) -> None:
        """Raises InvalidInput if nothing but numbers that are infinite, or beyond float32, are no numbers here."""
        if (
            self._kind == "number"
            and not self._too_many_odd_texts
            and 0 < self._odd_rows == self._beyond_rows
            and self._fitting
        ):
            raise self._error

    def message(self) -> str | None:
        """The first cell that is no number or date, and how many are; None if too many are not."""
        rows = self._fitting + self._odd_rows
        if self._too_many_odd_texts or self._odd_rows * SHARE > rows:
            return None
        return f"{self._error}; {self._fitting:,} of {rows:,} texts are {self._kind}s"


def _is_beyond(text: str) -> bool:
    """Whether `text` is a number that float32 does not hold, infinity among them."""
    try:
        return abs(float(text)) > FLOAT32_MAX
    except ValueError:
        return False
