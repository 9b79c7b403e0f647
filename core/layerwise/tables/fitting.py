"""Fitting a column block by block, whose encoding is given or found in its values.

What has no encoding may at first be numbers, dates or categories; each block rules out what its values are not. What is
left at the end decides, in this order. So the kind does not depend on where blocks end, and text that is all numbers,
as a CSV file has it, is a column of numbers.
"""

from typing import TypeAlias, cast
from zlib import crc32

import numpy as np

from layerwise.errors import InvalidInput, Place
from layerwise.tables.category_column import CategoryColumn, CategoryFit
from layerwise.tables.cells import is_missing, kinds_of
from layerwise.tables.date_column import DateColumn, DateFit
from layerwise.tables.doubt import MixedColumnCheck
from layerwise.tables.encodings import CategoryEncoding, DateParts, Encoding, NumberEncoding, OneHot, Standardize
from layerwise.tables.number_column import NumberColumn, NumberFit
from layerwise.tables.reading import is_empty
from layerwise.tables.table import RawColumn

AnyColumn: TypeAlias = NumberColumn | CategoryColumn | DateColumn
NUMBER, DATE, CATEGORY = "number", "date", "category"
ARTICLES = {NUMBER: "a number", DATE: "a date", CATEGORY: "a category (text or a boolean)"}


class ColumnFit:
    """The column `name` while blocks are added; `encoding` is None if it is to be found."""

    def __init__(self, name: str, encoding: Encoding | None) -> None:
        self.name = name
        self._inferred = encoding is None
        seed = crc32(name.encode(errors="replace"))
        self._fits: dict[str, NumberFit | DateFit | CategoryFit]
        if encoding is None:
            self._fits = {
                NUMBER: NumberFit(Standardize(), seed=seed),
                DATE: DateFit(DateParts()),
                CATEGORY: CategoryFit(OneHot(), inferred=True),
            }
        elif isinstance(encoding, NumberEncoding):
            self._fits = {NUMBER: NumberFit(encoding, seed=seed)}
        elif isinstance(encoding, DateParts):
            self._fits = {DATE: DateFit(encoding)}
        else:
            self._fits = {CATEGORY: CategoryFit(cast(CategoryEncoding, encoding))}

    def add(self, column: RawColumn) -> None:
        """Adds a block. Raises InvalidInput, naming row and column."""
        if self._inferred:
            self._rule_out(column)
        for kind, fit in list(self._fits.items()):
            try:
                fit.add(column)
            except InvalidInput as error:
                if len(self._fits) == 1:
                    raise
                del self._fits[kind]
                if isinstance(categories := self._fits.get(CATEGORY), CategoryFit):
                    categories.add_check(MixedColumnCheck(kind, fit.seen, error))

    def _rule_out(self, column: RawColumn) -> None:
        """Leaves the kinds that the values of `column` may be, as far as their types tell."""
        possible = possible_kinds(column)
        left = {kind: fit for kind, fit in self._fits.items() if kind in possible}
        if not left:
            self._refuse(column)
        self._fits = left

    def _refuse(self, column: RawColumn) -> None:
        """Raises InvalidInput at the first cell that does not go with the cells before it."""
        possible = frozenset(self._fits)
        for row in range(len(column)):
            value = column.cell(row)
            if is_missing(value):
                continue
            kinds = frozenset({CATEGORY}) if column.categories is not None else kinds_of(value)
            if not possible & kinds:
                before = " or ".join(ARTICLES[kind] for kind in ARTICLES if kind in possible)
                wanted = f"{before}, as in the rows before" if kinds else "a number, text, a boolean or a date"
                raise column.bad_cell(row, wanted, value)
            possible &= kinds

    def finished(self) -> AnyColumn:
        """The column as it is encoded from now on. Raises InvalidInput if all of its values are missing."""
        left = [self._fits[kind] for kind in (NUMBER, DATE, CATEGORY) if kind in self._fits]
        # texts like "NA" alone are neither numbers nor dates
        fit = next((fit for fit in left if fit.seen), None)
        if fit is None:
            detail = "expected at least one value, all are missing; the column may be ignored"
            raise InvalidInput(Place("columns", self.name), detail, "EMPTY_COLUMN")
        return fit.finished(self.name)


def possible_kinds(column: RawColumn) -> frozenset[str]:
    """The kinds that the values of `column` may be, as far as their types tell; none if they do not go together."""
    everything = frozenset({NUMBER, DATE, CATEGORY})
    if is_empty(column):
        return everything
    if column.categories is not None:
        return frozenset({CATEGORY})
    values = column.values
    if isinstance(values, np.ndarray):
        return frozenset({{"b": CATEGORY, "M": DATE}.get(values.dtype.kind, NUMBER)})
    possible = everything
    for cls in set(map(type, values)) - {str, type(None)}:
        first = next((value for value in values if type(value) is cls and not is_missing(value)), None)
        if first is not None:
            possible &= kinds_of(first)
    return possible
