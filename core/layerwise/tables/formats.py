"""Formats: how the cells of a column are spelled, and the value of a cell.

There is one format for each kind of column. Its `read` is the only code that turns the text of a cell into a value: for
a file, for a table from Python, for a row of JSON. A format travels with the column, so that a cell means the same in a
prediction as in training.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, cast

from layerwise.checks import shown
from layerwise.errors import InvalidInput
from layerwise.limits import OneOf
from layerwise.tables.encoding import texts
from layerwise.variants import Variant

GAPS = (
    *(
        "",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "#NA",
        "<NA>",
        "NaN",
        "nan",
        "NAN",
        "-nan",
        "-NaN",
        "NaT",
        "NULL",
        "Null",
        "null",
    ),
    *("None", "none", "nil"),
)
"""Words that mean that a cell has no value, unless told otherwise. pandas.read_csv reads almost the same words so."""
TRUE = ("true", "yes", "t", "y")
FALSE = ("false", "no", "f", "n")
"""Words for true and false, in lower case; upper case means the same."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
EPOCH = date(1970, 1, 1).toordinal()
DAY = 86_400
"""Seconds of a day."""
MINUS = "\u2212"
"""The mathematical minus sign, which spreadsheets and web pages write."""

PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number in plain notation."""
_CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?(?:\s?([AaPp])\.?[Mm]\.?)?"
_TIME = re.compile(_CLOCK)
_DATE = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?"  # a weekday's name
    r"([0-9]{1,4}|[A-Za-z]{3,9})\.?(?:\s*[-/.,]\s*|\s+)([0-9]{1,2}|[A-Za-z]{3,9})\.?(?:\s*[-/.,]\s*|\s+)([0-9]{1,4})"
    rf"(?:(?:T|,?\s+)(?:{_CLOCK}\s?(Z|UTC|GMT|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?))?"
)


@dataclass(frozen=True, slots=True)
class Format(Variant, ABC):
    """Base class of formats.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    """

    gaps: tuple[str, ...] = GAPS

    wanted: ClassVar[str]
    """What a cell holds, in words."""

    def check_together(self) -> None:
        given = cast(object, self.gaps)
        words = [word for word in self.gaps if word] if isinstance(given, tuple | list) else given
        object.__setattr__(self, "gaps", ("", *texts("gaps", words)))

    @abstractmethod
    def read(self, text: str, /) -> float | str | None:
        """Return the value of the cell `text`, None if it is a gap. Raises ValueError."""


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
    """

    decimal: Annotated[str, OneOf((".", ","))] = "."
    thousands: Annotated[str, OneOf(("", ",", ".", " ", "'", "_"))] = ""
    unit: str = ""

    kind = "number"
    wanted = "a number"

    def check_together(self) -> None:
        Format.check_together(self)
        if self.thousands == self.decimal:
            raise InvalidInput(
                "thousands", f"expected another sign than `decimal`, got {shown(self.thousands)} for both"
            )
        unit = cast(object, self.unit)
        if not isinstance(unit, str) or any(sign.isdigit() for sign in unit):
            raise InvalidInput("unit", f"expected a text without digits, got {shown(unit)}")

    def read(self, text: str, /) -> float | None:
        """Return the number in `text`, None if it is a gap. Raises ValueError."""
        text = text.strip()
        if text in self.gaps:
            return None
        if PLAIN.fullmatch(text) and self.decimal == "." and not self.unit and not self.thousands:
            number = float(text)
        else:
            number = float(self._plain(text))
        if not math.isfinite(number):
            raise ValueError
        return number

    def _plain(self, text: str) -> str:
        """Return the number in `text` in Python's notation. Raises ValueError."""
        text = text.replace(MINUS, "-")
        if text.startswith("(") and text.endswith(")"):  # a debit
            text = f"-{text[1:-1].strip()}"
        sign = text[0] if text[:1] in ("-", "+") else ""
        text = text[len(sign) :].strip()
        if self.unit:
            text = text.removeprefix(self.unit).removesuffix(self.unit).strip()
            if not sign and text[:1] in ("-", "+"):
                sign, text = text[0], text[1:]
        whole, point, fraction = text.partition(self.decimal)
        if self.thousands:
            if self.thousands == " ":
                whole = whole.replace("\u00a0", " ").replace("\u202f", " ")
            first, *groups = whole.split(self.thousands)
            if groups:
                if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
                    raise ValueError
                whole = first + "".join(groups)
        plain = f"{sign}{whole}.{fraction}" if point else sign + whole
        if (self.decimal == "," and "." in whole + fraction) or not PLAIN.fullmatch(plain):
            raise ValueError
        return plain


@dataclass(frozen=True, slots=True)
class BooleanFormat(Format):
    """Booleans. 1 and 0 are always understood; capital letters make no difference.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    true, false : tuple of str
        The words for true and for false.
    """

    true: tuple[str, ...] = TRUE
    false: tuple[str, ...] = FALSE

    kind = "boolean"
    wanted = "true or false"

    def check_together(self) -> None:
        Format.check_together(self)
        for name in ("true", "false"):
            words = texts(name, getattr(self, name))
            object.__setattr__(self, name, tuple(dict.fromkeys(word.strip().casefold() for word in words)))
        if both := set(self.true) & set(self.false):
            raise InvalidInput("false", f"expected other words than in `true`, got {shown(min(both))} in both")

    def read(self, text: str, /) -> float | None:
        """Return 1.0 or 0.0, None if `text` is a gap. Raises ValueError."""
        text = text.strip()
        word = text.casefold()
        if word in self.true:
            return 1.0
        if word in self.false:
            return 0.0
        if text in self.gaps:
            return None
        if (number := float(text)) in (0.0, 1.0):
            return number
        raise ValueError


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
    """

    day_first: bool = True
    year_first: bool = False

    kind = "date"
    wanted = "a date, as 2013-01-31, 31.1.2013 or 31-Jan-2013, with or without a time"

    def read(self, text: str, /) -> int | None:
        """Return the seconds since 1970-01-01, None if `text` is a gap. Raises ValueError."""
        text = text.strip()
        if text in self.gaps:
            return None
        found = _DATE.fullmatch(text)
        if found is None:
            raise ValueError
        first, second, third, hour, minute, second_, half, offset = found.groups()
        year, month, day = self._in_order(first, second, third)
        seconds = (date(year, month, day).toordinal() - EPOCH) * DAY
        if hour:
            seconds += seconds_of_day(hour, minute, second_, half)
        return seconds - _offset(offset)

    def _in_order(self, first: str, second: str, third: str) -> tuple[int, int, int]:
        """Return year, month and day. Raises ValueError."""
        if not first.isdigit():  # Jan 31, 2013
            return _year(third), _month(first), _day(second)
        if not second.isdigit():
            return (
                (_year(first), _month(second), _day(third))
                if len(first) == 4
                else (_year(third), _month(second), _day(first))
            )
        if len(first) == 4 or self.year_first:
            return _year(first), _month(second), _day(third)
        day, month = (first, second) if self.day_first else (second, first)
        return _year(third), _month(month), _day(day)


@dataclass(frozen=True, slots=True)
class TimeFormat(Format):
    """Times of day: 14:05, 14:05:30, 2:05 PM.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    """

    kind = "time"
    wanted = "a time of day, as 14:05 or 14:05:30"

    def read(self, text: str, /) -> int | None:
        """Return the seconds since midnight, None if `text` is a gap. Raises ValueError."""
        text = text.strip()
        if text in self.gaps:
            return None
        found = _TIME.fullmatch(text)
        if found is None:
            raise ValueError
        return seconds_of_day(*found.groups())


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
    """

    strip: bool = True
    numeric: bool = False

    kind = "category"
    wanted = "a category (text in UTF-8, a boolean or a number)"

    def read(self, text: str, /) -> str | None:
        """Return the category, None if `text` is a gap."""
        if self.strip:
            text = text.strip()
        if text in self.gaps:
            return None
        if self.numeric and PLAIN.fullmatch(text):
            number = float(text)
            return str(int(number)) if number.is_integer() else repr(number)
        return text


@dataclass(frozen=True, slots=True)
class TextFormat(Format):
    """Texts of several words, such as titles and remarks.

    Parameters
    ----------
    gaps : tuple of str
        The words that mean that a cell has no value.
    """

    kind = "text"
    wanted = "a text in UTF-8"

    def read(self, text: str, /) -> str | None:
        """Return the text without blanks before and after it, None if it is a gap."""
        text = text.strip()
        return None if text in self.gaps else text


FORMATS: Mapping[str, type[Format]] = {
    cls.kind: cls for cls in (NumberFormat, BooleanFormat, DateFormat, TimeFormat, CategoryFormat, TextFormat)
}


def seconds_of_day(hour: str, minute: str, second: str | None, half: str | None) -> int:
    """Return the seconds since midnight of a time; `half` is "a" or "p" of a.m. and p.m. Raises ValueError."""
    hours, minutes, seconds = int(hour), int(minute), int(second or 0)
    if half:
        if not 1 <= hours <= 12:
            raise ValueError
        hours = hours % 12 + 12 * (half.lower() == "p")
    if (hours, minutes, seconds) == (24, 0, 0):
        return DAY
    if hours > 23 or minutes > 59 or seconds > 60:
        raise ValueError
    return 3600 * hours + 60 * minutes + min(seconds, 59)


def _offset(text: str | None) -> int:
    """Return an offset from UTC in seconds. Raises ValueError."""
    if text is None or text in ("Z", "UTC", "GMT"):
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:]) if len(text) > 3 else 0
    if hours > 14 or minutes > 59:
        raise ValueError
    return (60 * hours + minutes) * (-60 if text[0] == "-" else 60)


def _year(text: str) -> int:
    year = int(text)
    if len(text) == 4:
        return year
    if len(text) != 2:
        raise ValueError
    return year + (1900 if year >= 70 else 2000)


def _month(text: str) -> int:
    if text.isdigit():
        return int(text)  # date() checks its range
    name = text.lower()
    if len(name) == 3 or name == "sept" or name in _LONG:
        return MONTHS.index(name[:3]) + 1
    raise ValueError


_LONG = frozenset(
    ("january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december")
)


def _day(text: str) -> int:
    if len(text) > 2:
        raise ValueError
    return int(text)
