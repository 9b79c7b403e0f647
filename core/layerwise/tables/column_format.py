"""The format of a column: chosen, or inferred from the types and the texts of its cells."""

import re
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from numbers import Real
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.tables.category_encodings import Ordinal
from layerwise.tables.cells import GAPS, PLAIN, category_of, is_missing, is_padded
from layerwise.tables.column_texts import GROUPED, InferredFormat, plain_numbers
from layerwise.tables.doubt import Doubt
from layerwise.tables.encoding import Encoding
from layerwise.tables.formats import FORMATS, READ_BY, BooleanFormat, CategoryFormat, NumberFormat
from layerwise.tables.inference import infer_format
from layerwise.tables.reading import factorized
from layerwise.tables.table import RawColumn

ARTICLES = {
    "number": "a number",
    "boolean": "a boolean",
    "date": "a date",
    "time": "a time of day",
    "category": "a category",
    "text": "text",
}
"""The kinds of formats, in the order in which they are tried for cells of several types."""
EVERYTHING = frozenset(ARTICLES)
NO_KIND: frozenset[str] = frozenset()
CATEGORICAL = frozenset({"category"})
"""The kinds of format of a column that is given as a categorical one."""
KINDS: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    ((bool, np.bool_), frozenset({"boolean", "category"})),
    ((str, bytes), EVERYTHING),
    ((Real, Decimal), frozenset({"number"})),
    ((date, np.datetime64), frozenset({"date"})),
    (time, frozenset({"time"})),
)
"""The kinds of format that may read cells of a type, if the user does not choose one."""
CODE = re.compile(r"\n\s*(?:0[0-9]+|[+-]?[0-9]{16,38})\s*\n")
"""A whole number with a needless 0 or with many digits, on one of several lines."""


def kinds_of(value: object) -> frozenset[str]:
    """Return the kinds of format that may read `value`; none if no format can."""
    return next((kinds for types, kinds in KINDS if isinstance(value, types)), NO_KIND)


def possible_kinds(column: RawColumn) -> frozenset[str]:
    """Return the kinds of format that the types of the cells allow; none if the cells do not fit together."""
    if column.categories is not None:
        return CATEGORICAL
    values = column.values
    if isinstance(values, np.ndarray):
        return kinds_of(values.dtype.type())
    possible = EVERYTHING
    for cls in set(map(type, values)) - {str, type(None)}:
        first = next((value for value in values if type(value) is cls and not is_missing(value)), None)
        if first is not None:
            possible &= kinds_of(first)
    return possible


def gaps_for(encoding: Encoding | None) -> tuple[str, ...]:
    """Return the words for a missing value of a column whose format is inferred: no rank of an encoding is one."""
    order: tuple[str, ...] = encoding.order if isinstance(encoding, Ordinal) else ()
    return tuple(word for word in GAPS if word not in order)


def has_values(column: RawColumn, gaps: tuple[str, ...]) -> bool:
    """Return whether a cell of the column is neither missing nor one of the words `gaps`."""
    values = column.values
    if column.categories is not None:
        return bool((cast("NDArray[Any]", values) >= 0).any())
    if isinstance(values, np.ndarray):
        return len(values) > 0 and not (values.dtype.kind in "fM" and bool(np.isnan(values).all()))
    return not all(is_missing(value) or (isinstance(value, str | bytes) and _text(value) in gaps) for value in values)


def format_of(
    column: RawColumn, possible: frozenset[str], encoding: Encoding | None, decimal: str = ""
) -> InferredFormat:
    """Return the format of a column that has values.

    `possible` are the kinds that the types of the cells allow. An encoding rules out formats, too. `decimal` is the
    decimal sign of other columns, "" if that is not known.
    """
    kinds = tuple(ARTICLES) if encoding is None else READ_BY[encoding.reads]
    wanted = [kind for kind in kinds if kind in possible] or [kinds[0]]
    if wanted[0] == "category":
        if encoding is not None and _are_booleans(column):
            return InferredFormat(BooleanFormat())
        gaps = gaps_for(encoding)
        if possible == CATEGORICAL:  # where every text is a category, NA is one, too
            categories = _cells(column)
            gaps = tuple(word for word in gaps if word not in categories)
        return InferredFormat(CategoryFormat(gaps, numeric=_is_numeric(column)))
    cells = _cells(column)
    if column.numbers is not None and "number" in wanted and (encoding is not None or not _may_have_codes(column)):
        has_point = any("." in cell for cell in cells if type(cell) is str)
        if not (has_point and _are_grouped(cells)):
            return InferredFormat(NumberFormat(), decimal="." if has_point else "")
    if not any(isinstance(cell, str | bytes) for cell in cells):
        return InferredFormat(FORMATS[wanted[0]]())
    texts, numbers = _counted(column)
    plain, others = plain_numbers(texts)
    found = infer_format(others, replace(plain, rows=plain.rows + numbers), decimal=decimal)
    if found.format.kind not in wanted:
        return InferredFormat(FORMATS["category" if "category" in wanted else wanted[0]]())
    return replace(found, doubts=tuple(_located(doubt, column) for doubt in found.doubts))


def _counted(column: RawColumn) -> tuple[dict[str, int], int]:
    """Return the number of rows of each text of a column, booleans as text, and the number of rows with numbers."""
    if column.categories is None:
        codes, different = factorized(column, cast("list[object]", column.values), "a single value")
    else:
        codes, different = cast("NDArray[Any]", column.values), [*column.categories]
    counts = np.bincount(codes[codes >= 0], minlength=len(different)).tolist()
    texts: dict[str, int] = {}
    numbers = 0
    for cell, count in zip(different, counts, strict=True):
        if kinds_of(cell) == frozenset({"number"}):
            numbers += count * (not is_missing(cell))
        elif text := cell if isinstance(cell, str) else _text(cell):
            texts[text] = texts.get(text, 0) + count
    return {text: count for text, count in texts.items() if count}, numbers


def _text(cell: object) -> str:
    """Return the text of a cell, "" if it has none: the format that is found refuses the cell."""
    try:
        return category_of(cell, (), strip=True, numeric=False) or ""
    except ValueError:
        return ""


def _cells(column: RawColumn) -> list[Any]:
    """Return the cells of a column; of an array the first only, for its type is that of all."""
    if column.categories is not None:
        return [*column.categories]
    values = column.values
    return list(values[:1]) if isinstance(values, np.ndarray) else values


def _may_have_codes(column: RawColumn) -> bool:
    """Return whether numbers begin with a needless 0, as codes do, or have so many digits that they may be codes."""
    lines = "\n".join(cell for cell in _cells(column) if type(cell) is str)
    return CODE.search(f"\n{lines}\n") is not None


def _are_grouped(cells: list[Any]) -> bool:
    """Return whether in all numbers a point may stand between groups of three digits."""
    texts = (cell.strip() for cell in cells if type(cell) is str)
    return all(GROUPED.fullmatch(text) or text in GAPS for text in texts)


def _are_booleans(column: RawColumn) -> bool:
    """Return whether all cells are booleans or missing, and none is text."""
    if column.categories is None and isinstance(column.values, np.ndarray):
        return column.values.dtype.kind == "b"
    return all(isinstance(cell, bool | np.bool_) or is_missing(cell) for cell in _cells(column))


def _is_numeric(column: RawColumn) -> bool:
    """Return whether all cells are numbers, or texts of numbers that are no codes."""
    return all(_is_number(cell) or is_missing(cell) for cell in _cells(column))


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        text = cell.strip()
        return text in GAPS or (bool(PLAIN.fullmatch(text)) and not is_padded(text))
    return not isinstance(cell, bool) and isinstance(cell, Real | Decimal)


def _located(doubt: Doubt, column: RawColumn) -> Doubt:
    """Return `doubt` with the place of the first cell that it is about."""
    cells = (column.cell(row) for row in range(len(column) if doubt.example else 0))
    row = next((i for i, cell in enumerate(cells) if isinstance(cell, str) and cell.strip() == doubt.example), None)
    return replace(doubt, column=column.name, row=None if row is None else column.start + row)
