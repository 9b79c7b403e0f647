"""Single cells: which values count as missing, and their conversion to numbers, category texts and times."""

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Real
from typing import cast

import numpy as np

EPOCH = date(1970, 1, 1).toordinal()
BOOLEANS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
"""Booleans as CSV files write them, mapped to JSON's, so that a model trained on CSV accepts JSON."""
ABSENT = frozenset({"", "nan", "NaN", "NA", "N/A", "null", "NULL"})
"""Texts that mean a missing number or date. As categories, all but the empty one are ordinary texts."""
MISSING_CLASSES = ("NAType", "NaTType", "MaskedConstant")
"""Classes of the missing values of pandas and NumPy."""
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def is_missing(value: object) -> bool:
    """Return whether `value` is None, "", NaN, a NaT or NA of pandas, or a masked value of NumPy."""
    if value is None or (isinstance(value, str) and not value):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, np.datetime64 | np.floating):
        return bool(np.isnan(cast(np.datetime64, value)))
    return type(value).__name__ in MISSING_CLASSES or (isinstance(value, Decimal) and value.is_nan())


def number_of(value: object) -> float:
    """Return `value` as a float, NaN if it is missing or in `ABSENT`; texts are read by `number_in`.

    Raises ValueError for other values.
    """
    if is_missing(value):
        return math.nan
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        number = math.nan if value in ABSENT else number_in(value)
    elif isinstance(value, Real | Decimal | np.bool_):
        try:
            number = float(cast(float, value))
        except OverflowError:
            raise ValueError from None
    else:
        raise ValueError
    return number


def number_in(text: str) -> float:
    """Return the finite number in `text`, in Python's notation without underscores. Raises ValueError otherwise."""
    if "_" in text:
        raise ValueError
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def text_of(value: object) -> str:
    """Return the text that identifies the category `value`, "" if it is missing.

    Booleans, also "True" and "TRUE", become "true" and "false"; whole floats lose their fraction. Raises ValueError for
    other values.
    """
    if type(value) is str:
        return BOOLEANS.get(value, value)
    if is_missing(value):
        return ""
    if isinstance(value, np.generic):
        return text_of(cast(object, value.item()))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float | Decimal) and math.isfinite(value):
        number = float(value)
        # a whole float equals the integer, and has its hash
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, bytes):
        return text_of(value.decode())
    if isinstance(value, str):
        return text_of(str(value))
    raise ValueError


def seconds_of(value: object) -> int | None:
    """Return the seconds since 1970 of `value`, a date, time or ISO 8601 text; None if missing or in `ABSENT`.

    A time with an offset is converted to UTC. Raises ValueError for other values.
    """
    if is_missing(value):
        return None
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        if value in ABSENT:
            return None
        if not DATE.match(value):
            raise ValueError
        value = datetime.fromisoformat(value)
    if isinstance(value, np.datetime64):
        return int(value.astype("M8[s]").astype(np.int64))
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC)
        return (value.toordinal() - EPOCH) * 86400 + value.hour * 3600 + value.minute * 60 + value.second
    if isinstance(value, date):
        return (value.toordinal() - EPOCH) * 86400
    raise ValueError


def kinds_of(value: object) -> frozenset[str]:
    """Return the kinds of column that `value` may be in; none if it fits no kind."""
    return next((kinds for types, kinds in KINDS if isinstance(value, types)), NO_KIND)


NO_KIND: frozenset[str] = frozenset()
KINDS: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    ((bool, np.bool_), frozenset({"category"})),
    ((str, bytes), frozenset({"number", "date", "category"})),
    ((Real, Decimal), frozenset({"number"})),
    ((date, np.datetime64), frozenset({"date"})),
)
