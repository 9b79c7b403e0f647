"""Dates and times in single cells: seconds since 1970, or since midnight. The functions stand alone, as in `cells`."""

import re
from collections.abc import Collection
from datetime import date, datetime, time, timezone
from typing import Any

import numpy as np

from layerwise.tables.cells import is_missing, real_of

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
EPOCH = date(1970, 1, 1).toordinal()
LAST_DAY = date.max.toordinal()
DAY = 86_400
"""Seconds of a day."""
UTC = timezone.utc  # noqa: UP017 - programs run on older Pythons, too
CLOCK = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.,][0-9]+)?)?(?:\s?([AaPp])\.?[Mm]\.?)?"
TIME = re.compile(CLOCK)
DATE = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?"  # a weekday's name
    r"([0-9]{1,4}|[A-Za-z]{3,9})\.?(?:\s*[-/.,]\s*|\s+)([0-9]{1,2}|[A-Za-z]{3,9})\.?(?:\s*[-/.,]\s*|\s+)([0-9]{1,4})"
    r"(?:(?:T|,?\s+)(?:" + CLOCK + r"\s?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?))?"
)
COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2}):?([0-9]{2}):?([0-9]{2})(.*))?")
"""A date without signs between its parts, such as 20130131 or 20130131T143000."""


def seconds_of(value: Any, gaps: Collection[str], day_first: bool, year_first: bool) -> int | None:
    """Return the seconds since 1970 of the date in a cell, None for a gap.

    A time with an offset is converted to UTC, another is taken as it is. The number 20130131 is a date, too.
    """
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        text = value.strip()
        return None if not text or text in gaps else seconds_in(text, day_first, year_first)
    if is_missing(value):
        return None
    if isinstance(value, np.datetime64):
        return int(value.astype("M8[s]").astype(np.int64))
    if isinstance(value, datetime):
        return seconds_since_1970(value)
    if isinstance(value, date):
        return (value.toordinal() - EPOCH) * DAY
    number = real_of(value)
    if not number.is_integer():
        raise ValueError
    return seconds_in(str(int(number)), day_first, year_first)


def seconds_since_1970(value: datetime) -> int:
    """Return the whole seconds since 1970."""
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return (value.toordinal() - EPOCH) * DAY + value.hour * 3600 + value.minute * 60 + value.second


def seconds_in(text: str, day_first: bool, year_first: bool) -> int:
    """Return the seconds since 1970 of the date in `text`."""
    if text[4:5] == text[7:8] == "-":
        try:
            return seconds_since_1970(datetime.fromisoformat(text))  # ten times as fast
        except ValueError:
            pass
    if compact := COMPACT.fullmatch(text):
        year_, month_, day_, *clock, rest = compact.groups()
        text = f"{year_}-{month_}-{day_}" + (f"T{':'.join(clock)}{rest}" if rest is not None else "")
    found = DATE.fullmatch(text)
    if found is None:
        raise ValueError
    first, second, third, hour, minute, second_, half, offset = found.groups()
    year, month, day = in_order(first, second, third, day_first, year_first)
    seconds = (date(year, month, day).toordinal() - EPOCH) * DAY
    if hour:
        seconds += seconds_of_day(hour, minute, second_, half)
    seconds -= seconds_of_offset(offset)
    if not 1 <= seconds // DAY + EPOCH <= LAST_DAY:  # as `datetime`, in UTC
        raise ValueError
    return seconds


def in_order(first: str, second: str, third: str, day_first: bool, year_first: bool) -> tuple[int, int, int]:
    """Return year, month and day of the three parts of a date."""
    if not first.isdigit():  # Jan 31, 2013
        return year_of(third), month_of(first), day_of(second)
    if len(first) == 4 or (year_first and second.isdigit()):
        return year_of(first), month_of(second), day_of(third)
    if not second.isdigit() or day_first:
        return year_of(third), month_of(second), day_of(first)
    return year_of(third), month_of(first), day_of(second)


def year_of(text: str) -> int:
    """Return the year; one of two digits is from 1970 to 2069."""
    year = int(text)
    if len(text) == 4:
        return year
    if len(text) != 2:
        raise ValueError
    return year + (1900 if year >= 70 else 2000)


def month_of(text: str) -> int:
    """Return the month, given as a number or by its name."""
    if text.isdigit():
        return int(text)  # date() checks its range
    name = text.lower()
    if len(name) == 3 or name == "sept" or name in LONG_MONTHS:
        return MONTHS.index(name[:3]) + 1
    raise ValueError


def day_of(text: str) -> int:
    """Return the day of the month."""
    if len(text) > 2:
        raise ValueError
    return int(text)


def seconds_of_offset(text: str | None) -> int:
    """Return an offset from UTC in seconds."""
    if text is None or text in ("Z", "UTC", "GMT"):
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:]) if len(text) > 3 else 0
    if hours > 14 or minutes > 59:
        raise ValueError
    return (60 * hours + minutes) * (-60 if text[0] == "-" else 60)


def time_of(value: Any, gaps: Collection[str]) -> int | None:
    """Return the seconds since midnight of the time of day in a cell; a number is already that. None is a gap."""
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        text = value.strip()
        if not text or text in gaps:
            return None
        found = TIME.fullmatch(text)
        if found is None:
            raise ValueError
        return seconds_of_day(*found.groups())
    if is_missing(value):
        return None
    if isinstance(value, time):
        return 3600 * value.hour + 60 * value.minute + value.second
    if isinstance(value, bool) or not 0 <= real_of(value) <= DAY:
        raise ValueError
    return int(value)


def seconds_of_day(hour: str, minute: str, second: str | None, half: str | None) -> int:
    """Return the seconds since midnight of a time; `half` is "a" or "p" of a.m. and p.m."""
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
