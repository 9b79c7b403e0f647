"""Inference of how the numbers of a column are spelled."""

import math
from dataclasses import replace

from layerwise.checks import shown
from layerwise.tables.column_texts import ColumnTexts, InferredFormat, with_gaps
from layerwise.tables.doubt import Doubt
from layerwise.tables.formats import NumberFormat

UNITS = "%$€£¥"
NUMBER_FORMATS = (
    NumberFormat(thousands=","),
    NumberFormat(decimal=","),
    NumberFormat(decimal=",", thousands="."),
    NumberFormat(thousands=" "),
    NumberFormat(decimal=",", thousands=" "),
    NumberFormat(thousands="'"),
)
"""The formats of numbers that are tried after the plain one. 1,234 is a thousand if all values can be read so."""


def infer_number(column: ColumnTexts) -> InferredFormat | None:
    if not column.texts:
        return InferredFormat(NumberFormat(column.gaps))
    unit = next((sign for sign in UNITS if any(sign in text for text in column.texts)), "")
    formats = (NumberFormat(), *NUMBER_FORMATS)
    best: NumberFormat | None = None
    best_read: dict[str, float | None] = {}
    most = -1
    for candidate in [replace(each, unit=unit) for each in formats] if unit else formats:
        if column.plain.fractions and candidate.decimal == ",":
            continue  # it does not read 1.5
        if column.plain.rows and candidate.thousands == ".":
            continue  # 1.234 would be read in two ways
        read = column.read_by(candidate)
        if (rows := column.rows_of(read)) > most:
            best, best_read, most = candidate, read, rows
    assert best is not None
    odd = column.odd(best_read)
    if odd is None or column.plain.rows + most == 0:
        return None
    doubts: list[Doubt] = []
    if text := next((text for text, number in best_read.items() if number is not None and math.isfinite(number)), ""):
        doubts.append(Doubt("NUMBER_FORMAT", f"{shown(text)} is read as {best_read[text]:g}", "category", text))
    return with_gaps(best, column, odd, doubts, "numbers")
