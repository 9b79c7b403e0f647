"""Single cells: which are missing, and what number, text or time another one is."""

import math
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Real
from typing import cast

import numpy as np

EPOCH = date(1970, 1, 1).toordinal()
BOOLEANS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
"""Booleans as CSV files have them, so that a model that learnt from one knows those of JSON."""
ABSENT = frozenset({"", "nan", "NaN", "NA", "N/A", "null", "NULL"})
"""Texts that say among numbers and dates that there is none; as a category, each but the empty one is itself."""
NOTHING = ("NAType", "NaTType", "MaskedConstant")
"""Classes of what pandas and NumPy put for a value that is missing."""
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def is_missing(value: object) -> bool:
    """Whether `value` is None, the empty text, NaN, the NaT or NA of pandas, or what NumPy gives for a masked value."""
    if value is None or (isinstance(value, str) and not value):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, np.datetime64 | np.floating):
        return bool(np.isnan(cast(np.datetime64, value)))
    return type(value).__name__ in NOTHING or (isinstance(value, Decimal) and value.is_nan())


def number_of(value: object) -> float:
    """`value` as a float, NaN where it is missing or one of `ABSENT`; other text as `number_in` reads it.

    Raises ValueError for all else.
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
    """The number in `text`, as Python reads numbers, but for infinite ones and NaN. Raises ValueError for all else."""
    if "_" in text:
        raise ValueError
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def text_of(value: object) -> str:
    """The text that tells the category `value` from others, the empty one where it is missing.

    true and false of booleans, also of True and TRUE; a number with no fraction is written without one. Raises
    ValueError for all else.
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
        # as the integer that is equal to it and has its hash
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, bytes):
        return text_of(value.decode())
    if isinstance(value, str):
        return text_of(str(value))
    raise ValueError


def seconds_of(value: object) -> int | None:
    """The seconds from 1970 to the time `value`, a date, a time or ISO 8601 text.

    None where it is missing or one of `ABSENT`. A time with an offset is taken as UTC. Raises ValueError for all else.
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
    """The kinds of column that `value` may stand in, none if in no column."""
    return next((kinds for types, kinds in KINDS if isinstance(value, types)), NO_KIND)


NO_KIND: frozenset[str] = frozenset()
KINDS: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    ((bool, np.bool_), frozenset({"category"})),
    ((str, bytes), frozenset({"number", "date", "category"})),
    ((Real, Decimal), frozenset({"number"})),
    ((date, np.datetime64), frozenset({"date"})),
)
