"""Inference of how the numbers of a column are spelled."""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from layerwise.checks import shown
from layerwise.tables.cells import number_text
from layerwise.tables.column_texts import SHARE, ColumnTexts, InferredFormat, PlainNumbers, some_of, with_gaps
from layerwise.tables.doubt import Doubt
from layerwise.tables.formats import NumberFormat

SIGNS = "%$€£¥"
"""Units that a single number of a column may have."""
NUMBER_FORMATS = (
    NumberFormat(),
    NumberFormat(thousands=","),
    NumberFormat(decimal=","),
    NumberFormat(decimal=",", thousands="."),
    NumberFormat(thousands=" "),
    NumberFormat(decimal=",", thousands=" "),
    NumberFormat(thousands="'"),
    NumberFormat(decimal=",", thousands="'"),
)
"""The formats of numbers that are tried. Of those that read as many rows, the first is taken: 1,234 is a thousand."""
BEFORE = rf"[{SIGNS}]|[A-Z]{{1,3}}\$|(?:[A-Z]{{3}}|Rs\.?|kr\.?)(?=\s)"
"""A unit before a number, such as €, US$, EUR, Rs."""
WITH_UNIT = re.compile(
    rf"[-+\u2212(]?\s*({BEFORE})?\s*[-+\u2212]?(?:\d[\d.,'\s]*|[.,]\d+)((?:[^\W\d_]|[°‰\"{SIGNS}])[^\d)]*)?\)?"
)
"""A number with a unit before or after it, or without one."""
MOST_UNITS = 5
"""The most units that a column of numbers may have, to be called one of different units."""

Reading: TypeAlias = tuple[NumberFormat, dict[str, float | None]]
"""A format, and the values that it gives to the texts that it reads."""


def infer_number(column: ColumnTexts, decimal: str = "") -> InferredFormat | None:
    """Return the format of a column of numbers, None if it is none.

    `decimal` is the decimal sign of other columns, "" if that is not known. It decides how cells are read that can be
    read in two ways.
    """
    plain = column.plain
    if not column.texts and not plain.grouped:
        return InferredFormat(NumberFormat(column.gaps), decimal="." if plain.fraction else "")
    unit = _unit_of(column)
    readings: list[Reading] = []  # those of the most rows
    most = -1
    for each in NUMBER_FORMATS:
        if not _reads(each, plain):
            continue
        read = column.read_by(replace(each, unit=unit) if unit else each)
        rows = column.rows_of(read)
        if rows > most:
            readings, most = [], rows
        if rows == most:
            readings.append((replace(each, unit=unit), read))
    best, read = readings[0]
    odd = column.odd(read)
    if odd is None or plain.rows + most == 0:
        return None
    doubts: list[Doubt] = []
    for other in readings[1:]:
        if (example := _example_of_two(readings[0], other, plain)) is None:
            continue
        if other[0].decimal == decimal:
            best = other[0]
        elif not decimal:
            text, value, another = example
            message = f"{shown(text)} is read as {number_text(value)}, but may be {number_text(another)}"
            doubts.append(Doubt("NUMBER_FORMAT", message, "number", text))
        break
    return with_gaps(best, column, odd, doubts, "numbers", decimal=_one_of(each.decimal for each, _ in readings))


def decimal_of(columns: Iterable[InferredFormat]) -> str:
    """Return the decimal sign that cells of a table show beyond doubt; "" if none do, or some show another."""
    return _one_of(column.decimal for column in columns if column.decimal)


def mixed_units(column: ColumnTexts) -> Doubt | None:
    """Return the doubt about a column whose numbers have different units, None if they do not."""
    units = _units_in(column)
    rows = sum(count for unit, count in units.items() if not (len(unit) == 1 and unit.isupper()))  # as in 12A
    if not 1 < len(units) <= MOST_UNITS or rows < SHARE * column.rows:
        return None
    first = {unit: next(text for text in column.texts if _unit_in(text) == unit) for unit in units}
    message = f"numbers with different units, such as {some_of(first.values())}, are read as categories"
    return Doubt("MIXED_UNITS", f"{message}: give them one unit", "", next(iter(first.values())))


def _one_of(signs: Iterable[str]) -> str:
    different = set(signs)
    return different.pop() if len(different) == 1 else ""


def _reads(each: NumberFormat, plain: PlainNumbers) -> bool:
    """Return whether a format reads all numbers in plain notation."""
    if each.decimal == "." or not plain.fraction:
        return True
    return each.thousands == "." and plain.grouped


def _example_of_two(one: Reading, other: Reading, plain: PlainNumbers) -> tuple[str, float, float] | None:
    """Return a text that both read, and its values, if these differ; None if both mean the same, or do not fit."""
    if not one[1].keys() <= other[1].keys():
        return None
    if plain.grouped and one[0].decimal != other[0].decimal:
        return plain.fraction, float(plain.fraction), float(plain.fraction.replace(".", ""))
    for text, value in one[1].items():
        another = other[1][text]
        if value is not None and another is not None and value != another and math.isfinite(value):
            return text, value, another
    return None


def _unit_of(column: ColumnTexts) -> str:
    """Return the unit of a column's numbers: most have it, or it is one of the usual signs."""
    unit, rows = next(iter(_units_in(column).most_common(1)), ("", 0))
    return unit if unit in SIGNS or 2 * rows > column.rows else ""


def _units_in(column: ColumnTexts) -> Counter[str]:
    """Return the number of rows with each unit; none if too many texts are no numbers."""
    units: Counter[str] = Counter()
    others = rows = 0
    for text, count in column.texts.items():
        unit = _unit_in(text)
        if unit:
            units[unit] += count
        elif unit is None:
            others, rows = others + 1, rows + count
            if not column.are_few(others, rows):
                return Counter()
    return units


def _unit_in(text: str) -> str | None:
    """Return the unit of a number, "" if it has none; None for another text."""
    found = WITH_UNIT.fullmatch(text)
    return None if found is None else (found[1] or found[2] or "").strip()
