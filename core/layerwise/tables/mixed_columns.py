"""Detection of columns of numbers or dates that are read as categories because of a few other texts."""

import numpy as np

from layerwise.errors import InvalidInput
from layerwise.tables.cells import ABSENT, number_in, seconds_of
from layerwise.tables.reading import FLOAT32_MAX, Categories

MOST_ODD_TEXTS = 20
"""With more distinct texts of another kind, the column is certainly one of categories, and counting stops."""
ROWS_PER_ODD_ROW = 20
"""A column is mixed if at most one row in this many has a text of another kind."""


class MixedColumnCheck:
    """Counts the texts of a column of categories that are numbers (kind "number") or dates (kind "date").

    `error` is that of the first cell that is not; `before` is the number of fitting rows before its block.
    """

    def __init__(self, kind: str, before: int, error: InvalidInput) -> None:
        self._kind = kind
        self._fitting = before
        error.__traceback__ = error.__context__ = None  # they would keep the rows of the block in memory
        self._error = error
        self._odd_rows = 0
        self._large_rows = 0  # odd rows with a number beyond float32
        self._odd_texts: set[str] = set()

    def add(self, found: Categories) -> None:
        """Add the rows of a block, beginning with the block of the first odd cell."""
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
                self._large_rows += count * _exceeds_float32(text)
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
        """Raise InvalidInput if the only odd texts are numbers that are infinite or exceed float32."""
        if (
            self._kind == "number"
            and not self._too_many_odd_texts
            and 0 < self._odd_rows == self._large_rows
            and self._fitting
        ):
            raise self._error

    def message(self) -> str | None:
        """Return a warning with the first odd cell and the counts; None if too many texts are odd."""
        rows = self._fitting + self._odd_rows
        if self._too_many_odd_texts or self._odd_rows * ROWS_PER_ODD_ROW > rows:
            return None
        return f"{self._error}; {self._fitting:,} of {rows:,} texts are {self._kind}s"


def _exceeds_float32(text: str) -> bool:
    """Return whether `text` is a number that is infinite or exceeds float32."""
    try:
        return abs(float(text)) > FLOAT32_MAX
    except ValueError:
        return False
