"""The base class of formats, and the functions that read cells by them.

`Format.read` is the only code that turns the text of a cell into a value: for a file, for a table from Python, for a
row of JSON. A format travels with the column, so that a cell means the same in a prediction as in training.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from typing import Any, ClassVar, cast

from layerwise.tables.cells import GAPS, PLAIN, boolean_of, category_of, number_of, text_of, truth_of
from layerwise.tables.encoding import texts
from layerwise.tables.times import seconds_of, time_of
from layerwise.variants import Variant

READERS: Mapping[str, Callable[..., Any]] = {
    "number": number_of,
    "boolean": boolean_of,
    "date": seconds_of,
    "time": time_of,
    "category": category_of,
    "text": text_of,
}
"""The function that reads a cell, by the kind of format. Its other arguments are the fields of the format."""
CATEGORY_READERS: Mapping[str, Callable[..., str | None]] = {"category": category_of, "boolean": truth_of}
"""The function that reads a cell as a category, by the kind of format."""


@lru_cache(maxsize=256)
def numbers_in(words: tuple[str, ...]) -> tuple[float, ...]:
    """Return the numbers among words for a gap, which mean a gap however they are written."""
    numbers = (float(word) for word in words if PLAIN.fullmatch(word))
    return tuple(number for number in numbers if math.isfinite(number))


@dataclass(frozen=True, slots=True)
class Format(Variant):
    """Base class of formats.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    """

    gaps: tuple[str, ...] = GAPS

    holds: ClassVar[str]
    """What a cell holds, in words."""

    @property
    def wanted(self) -> str:
        """What a cell holds, as errors say it."""
        return self.holds

    def check_together(self) -> None:
        given = cast(object, self.gaps)
        words = [word for word in self.gaps if word] if isinstance(given, tuple | list) else given
        object.__setattr__(self, "gaps", ("", *texts("gaps", words)))

    def is_gap(self, text: str) -> bool:
        """Return whether a text without blanks around it means that a cell has no value.

        Parameters
        ----------
        text : str

        Returns
        -------
        bool
        """
        numbers = numbers_in(self.gaps)
        return text in self.gaps or bool(numbers and PLAIN.fullmatch(text) and float(text) in numbers)

    def reader(self) -> Callable[[object], Any]:
        """Return the function `read`, made once to read many cells.

        Returns
        -------
        callable
        """
        return self._partial(READERS)

    def category_reader(self) -> Callable[[object], str | None]:
        """Return the function that reads a cell as a category: booleans are "true" and "false".

        Returns
        -------
        callable
        """
        return self._partial(CATEGORY_READERS)

    def _partial(self, readers: Mapping[str, Callable[..., Any]]) -> Callable[[object], Any]:
        given = self.arguments
        return partial(readers[self.kind], **given | {"gaps": frozenset(given["gaps"])})

    @property
    def arguments(self) -> dict[str, Any]:
        """The fields by name, which the function in `READERS` takes besides the cell."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {"gaps": self.all_gaps}

    @property
    def all_gaps(self) -> tuple[str | float, ...]:
        """The words for a gap, those that are numbers, such as -999, also as numbers."""
        return (*self.gaps, *numbers_in(self.gaps))

    def read(self, cell: object, /) -> Any:
        """Return the value of a cell.

        Parameters
        ----------
        cell : object
            Its text, or a value.

        Returns
        -------
        float, int, str or None
            None is a gap; a date is in seconds since 1970, a time of day in seconds since midnight.

        Raises
        ------
        ValueError, OverflowError
            If the cell does not fit.
        """
        return self.reader()(cell)
