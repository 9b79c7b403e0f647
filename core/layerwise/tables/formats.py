"""Formats: how the cells of a column are spelled. There is one class for each kind of column."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from layerwise.checks import shown
from layerwise.errors import InvalidInput
from layerwise.limits import OneOf
from layerwise.tables.encoding import texts
from layerwise.tables.format import Format

TRUE = ("true", "yes", "t", "y")
FALSE = ("false", "no", "f", "n")
"""Words for true and false, in lower case; upper case means the same."""


@dataclass(frozen=True, slots=True)
class NumberFormat(Format):
    """Numbers: an optional sign, digits with an optional fraction, an optional exponent.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    decimal : {".", ","}, default "."
        The decimal sign.
    thousands : {"", ",", ".", " ", "'", "_"}, default ""
        The sign between groups of three digits; "" if there is none. A space is also a narrow or a fixed one.
    unit : str, default ""
        A unit, such as "%" or "$", that may stand before or after the number. It is left out: 12% is 12.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import NumberFormat
    >>> NumberFormat(decimal=",", thousands=".").read("1.234,5")
    1234.5
    """

    decimal: Annotated[str, OneOf((".", ","))] = "."
    thousands: Annotated[str, OneOf(("", ",", ".", " ", "'", "_"))] = ""
    unit: str = ""

    kind = "number"
    holds = "a number"

    @property
    def wanted(self) -> str:
        return self.holds if self.decimal == "." else f"{self.holds} with a decimal comma, as 12,5"

    def check_together(self) -> None:
        Format.check_together(self)
        if self.thousands == self.decimal:
            raise InvalidInput(
                "thousands", f"expected another sign than `decimal`, got {shown(self.thousands)} for both"
            )
        unit = cast(object, self.unit)
        if not isinstance(unit, str) or any(sign.isdecimal() for sign in unit):
            raise InvalidInput("unit", f"expected a text without digits, got {shown(unit)}")


@dataclass(frozen=True, slots=True)
class BooleanFormat(Format):
    """Booleans. 1 and 0, true and false are always understood; capital letters make no difference.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    true, false : tuple of str
        The words for true and for false. The first ones are the labels of a target with this format, unless they are
        true and false themselves.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import BooleanFormat
    >>> yes_or_no = BooleanFormat(true=("ja",), false=("nein",))
    >>> [yes_or_no.read(cell) for cell in ("Ja", "nein", "True", 0, "NA")]
    [1.0, 0.0, 1.0, 0.0, None]
    """

    true: tuple[str, ...] = TRUE
    false: tuple[str, ...] = FALSE

    kind = "boolean"
    holds = "true or false"

    def check_together(self) -> None:
        Format.check_together(self)
        for name in ("true", "false"):
            different: dict[str, str] = {}  # capital letters make no difference
            for word in map(str.strip, texts(name, getattr(self, name))):
                different.setdefault(word.casefold(), word)
            object.__setattr__(self, name, tuple(different.values()))
        if both := set(_folded(self.true)) & set(_folded(self.false)):
            raise InvalidInput("false", f"expected other words than in `true`, got {shown(min(both))} in both")

    @property
    def arguments(self) -> dict[str, Any]:
        return {"gaps": self.all_gaps, "true": _folded(self.true), "false": _folded(self.false)}

    @property
    def labels(self) -> tuple[bool, bool] | tuple[str, str]:
        """The labels of a target that is false and true: booleans, or the words that stand for them."""
        no, yes = self.false[0], self.true[0]
        return (False, True) if (no.casefold(), yes.casefold()) == ("false", "true") else (no, yes)


def _folded(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.casefold() for word in words)


@dataclass(frozen=True, slots=True)
class DateFormat(Format):
    """Dates, with or without a time of day: 2013-01-31, 31.1.2013, 1/31/2013, 31-Jan-2013, Jan 31, 2013 10:30 PM.

    A year of four digits, or the name of a month, is found wherever it stands. A year of two digits is from 1970 to
    2069. Where a time has an offset from UTC, it is converted to UTC.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    day_first : bool, default True
        Whether 4/5/2013 is the fourth of May, or the fifth of April.
    year_first : bool, default False
        Whether 13/5/4 is a day of 2013.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import DateFormat
    >>> DateFormat(day_first=False).read("1/2/1970")
    86400
    """

    day_first: bool = True
    year_first: bool = False

    kind = "date"
    holds = "a date, as 2013-01-31, 31.1.2013 or 31-Jan-2013, with or without a time"


@dataclass(frozen=True, slots=True)
class TimeFormat(Format):
    """Times of day: 14:05, 14:05:30, 2:05 PM.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import TimeFormat
    >>> TimeFormat().read("2:05 PM")
    50700
    """

    kind = "time"
    holds = "a time of day, as 14:05 or 14:05:30"


@dataclass(frozen=True, slots=True)
class CategoryFormat(Format):
    """Categories.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    strip : bool, default True
        Whether blanks before and after a text are left out.
    numeric : bool, default False
        Whether categories are numbers, so that 1, 1.0 and "1.0" are the same.

    Raises
    ------
    InvalidInput
        If an argument is invalid.

    Examples
    --------
    >>> from layerwise import CategoryFormat
    >>> [CategoryFormat(numeric=True).read(cell) for cell in (" 2007", "2007.0", 2007.0)]
    ['2007', '2007', '2007']
    """

    strip: bool = True
    numeric: bool = False

    kind = "category"
    holds = "a category (text in UTF-8, a boolean or a number)"


@dataclass(frozen=True, slots=True)
class TextFormat(Format):
    """Texts of several words, such as titles and remarks.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    """

    kind = "text"
    holds = "a text in UTF-8"


FORMATS: Mapping[str, type[Format]] = {
    cls.kind: cls for cls in (NumberFormat, BooleanFormat, DateFormat, TimeFormat, CategoryFormat, TextFormat)
}
"""All formats by name; a name stands for the class's default object."""
READ_BY: Mapping[str, tuple[str, ...]] = {
    "number": ("number", "boolean"),
    "date": ("date", "time"),
    "category": ("category", "boolean"),
    "text": ("text",),
}
"""The kinds of format that an encoding may have, by the kind of column that it reads."""
