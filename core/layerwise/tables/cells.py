"""Single cells: one function for each kind of column that turns a cell into its value, None for a gap.

A cell is text, as in a CSV file, or a number, boolean, date or time of Python, NumPy or pandas. The functions raise
ValueError for cells that do not fit. They stand alone, as those of `times` do: an exported program has a copy of them.
"""

import math
import re
from collections.abc import Collection
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

GAPS = (
    *("", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "NAN", "-nan", "-NaN", "NaT"),
    *("NULL", "Null", "null", "None", "none", "nil", "\\N"),
)
"""Words that mean that a cell has no value, unless told otherwise. pandas.read_csv reads almost the same words so.

Databases write \\N in their dumps.
"""
ABSENT = ("", "N/A", "NA", "NULL", "NaN", "nan", "null")
"""Those of a column of numbers or dates that was fitted before columns had formats."""
BOOLEANS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}
"""Booleans as CSV files write them, mapped to JSON's, so that a model trained on CSV accepts JSON."""
REALS: tuple[Any, ...] = (Real, Decimal, np.bool_)
FLOATS: tuple[Any, ...] = (float, Decimal)
NUMPY_FLOATS: tuple[Any, ...] = (np.floating,)
NUMPY_NANS: tuple[Any, ...] = (np.floating, np.datetime64)
NUMPY_VALUES: tuple[Any, ...] = (np.generic,)
"""Types as `isinstance` takes them."""
MISSING_CLASSES = ("NAType", "NaTType", "MaskedConstant")
"""Classes of the missing values of pandas and NumPy."""
MINUS = "\u2212"
"""The mathematical minus sign, which spreadsheets and web pages write."""
FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}
"""The wide forms of digits and signs, which Japanese and Chinese keyboards write."""
PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A number in plain notation."""
MOST_DIGITS = 300
"""A longer text is no number, but a category of its own."""


def is_missing(value: Any) -> bool:
    """Return whether `value` is None, "", NaN, a NaT or NA of pandas, or a masked value of NumPy."""
    if value is None or (isinstance(value, str) and not value):
        return True
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, NUMPY_NANS):
        return bool(np.isnan(value))
    return type(value).__name__ in MISSING_CLASSES or (isinstance(value, Decimal) and value.is_nan())


def number_of(value: Any, gaps: Collection[str | float], decimal: str, thousands: str, unit: str) -> float | None:
    """Return the number in a cell. `decimal`, `thousands` and `unit` are those of the text."""
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, str):
        return None if is_missing(value) or (number := real_of(value)) in gaps else number
    text = value.strip()
    if not text or text in gaps:
        return None
    if thousands or unit or decimal != "." or not PLAIN.fullmatch(text):
        text = plain_number(text, decimal, thousands, unit)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return None if number in gaps else number


def real_of(value: Any) -> float:
    """Return the number `value` as a float."""
    if not isinstance(value, REALS):
        raise ValueError
    try:
        return float(value)
    except OverflowError:
        raise ValueError from None


def plain_number(text: str, decimal: str, thousands: str, unit: str) -> str:
    """Return the number in `text` in plain notation."""
    text = text.translate(FULL_WIDTH).replace(MINUS, "-")
    if text.startswith("(") and text.endswith(")"):  # a debit
        text = f"-{text[1:-1].strip()}"
    sign = text[0] if text[:1] in ("-", "+") else ""
    text = text[len(sign) :].strip()
    if unit:
        text = text[len(unit) :] if text.startswith(unit) else text
        text = (text[: -len(unit)] if text.endswith(unit) else text).strip()
        if not sign and text[:1] in ("-", "+"):
            sign, text = text[0], text[1:]
    whole, point, fraction = text.partition(decimal)
    if thousands:
        if thousands == " ":
            whole = whole.replace("\u00a0", " ").replace("\u202f", " ")
        first, *groups = whole.split(thousands)
        if groups:
            if not 1 <= len(first) <= 3 or first[0] == "0" or any(len(group) != 3 for group in groups):
                raise ValueError  # 0,123 is less than one
            whole = first + "".join(groups)
    plain = f"{sign}{whole}.{fraction}" if point else sign + whole
    if (decimal == "," and "." in whole + fraction) or not PLAIN.fullmatch(plain):
        raise ValueError
    return plain


def boolean_of(
    value: Any, gaps: Collection[str | float], true: Collection[str], false: Collection[str]
) -> float | None:
    """Return 1.0 for a cell that is 1, true or one of the words `true`, 0.0 for 0, false or one of `false`."""
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        text = value.strip()
        word = text.casefold()
        if word in true:
            return 1.0
        if word in false:
            return 0.0
        if not text or text in gaps:
            return None
        value = {"true": 1.0, "false": 0.0}[word] if word in ("true", "false") else float(text)
    elif is_missing(value):
        return None
    number = real_of(value)
    if number in gaps:
        return None
    if number not in (0.0, 1.0):
        raise ValueError
    return number


def truth_of(value: Any, gaps: Collection[str | float], true: Collection[str], false: Collection[str]) -> str | None:
    """Return "true" or "false", the category of a boolean."""
    number = boolean_of(value, gaps, true, false)
    return None if number is None else "true" if number else "false"


def category_of(value: Any, gaps: Collection[str | float], strip: bool, numeric: bool) -> str | None:
    """Return the text of the category in a cell.

    Booleans, also "True" and "TRUE", become "true" and "false"; whole floats lose their fraction; line ends within a
    text are all the same. If categories are
    `numeric`, so do texts, and booleans are 1 and 0.
    """
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str):
        text = value.strip() if strip else value
        if not text or text in gaps:
            return None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if numeric and len(text) <= MOST_DIGITS and PLAIN.fullmatch(text):
            if float(text) in gaps:
                return None
            if not text.lstrip("+-").isdigit():
                return number_text(float(text))
            return text if is_padded(text) else str(int(text))
        return BOOLEANS.get(text, text)
    if is_missing(value):
        return None
    if isinstance(value, NUMPY_VALUES):
        # a float32 has the digits of its own precision, as a CSV file shows them
        short = numeric and isinstance(value, NUMPY_FLOATS) and value.dtype.itemsize < 8
        value = float(str(value)) if short else value.item()
    if isinstance(value, bool):
        return str(int(value)) if numeric else str(value).lower()
    if isinstance(value, int):
        return None if value in gaps else str(value)
    if isinstance(value, FLOATS) and math.isfinite(value):
        return None if value in gaps else number_text(float(value))
    raise ValueError


def is_padded(text: str) -> bool:
    """Return whether `text` is a whole number of several digits that begins with 0, as codes do."""
    return len(text) > 1 and text[0] == "0" and text.isdigit()


def number_text(number: float) -> str:
    """Return the shortest text of a number; a whole float equals the integer, and has its text."""
    return str(int(number)) if number.is_integer() else repr(number)


def text_of(value: Any, gaps: Collection[str]) -> str | None:
    """Return the text in a cell, without blanks before and after it."""
    return category_of(value, gaps, strip=True, numeric=False)
