"""Fitting of a column, block by block, whose encoding is given or inferred from its values.

To infer the encoding, all kinds of column are fitted at once: numbers, dates and categories. Each block rules out the
kinds that its values do not fit. The first kind left, in this order, is that of the column, so that it does not depend
on how rows are divided into blocks, and texts that are all numbers, as in a CSV file, are a column of numbers.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias, cast
from zlib import crc32

import numpy as np

from layerwise.checks import shown
from layerwise.errors import InvalidInput, Place
from layerwise.tables.category_column import CategoryColumn, CategoryFit
from layerwise.tables.category_encodings import CategoryEncoding, OneHot
from layerwise.tables.cells import is_missing, kinds_of
from layerwise.tables.date_column import DateColumn, DateFit
from layerwise.tables.encoding import Encoding
from layerwise.tables.encodings import DateParts, NumberEncoding, Standardize
from layerwise.tables.mixed_columns import MixedColumnCheck
from layerwise.tables.number_column import NumberColumn, NumberFit
from layerwise.tables.reading import is_empty
from layerwise.tables.table import RawColumn, TableLike, columns_of, names_of, several
from layerwise.wording import did_you_mean

AnyColumn: TypeAlias = NumberColumn | CategoryColumn | DateColumn
NUMBER, DATE, CATEGORY = "number", "date", "category"
ARTICLES = {NUMBER: "a number", DATE: "a date", CATEGORY: "a category (text or a boolean)"}


class ColumnFit:
    """Fitting of the column `name`; `encoding` is None if it is to be inferred."""

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
        """Add a block. Raises InvalidInput, naming row and column."""
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
        """Drop the kinds that the types of the values rule out."""
        possible = possible_kinds(column)
        left = {kind: fit for kind, fit in self._fits.items() if kind in possible}
        if not left:
            self._refuse(column)
        self._fits = left

    def _refuse(self, column: RawColumn) -> None:
        """Raise InvalidInput at the first cell that does not fit those before it."""
        possible = frozenset(self._fits)
        for row in range(len(column)):
            value = column.cell(row)
            if is_missing(value):
                continue
            kinds = frozenset({CATEGORY}) if column.categories is not None else kinds_of(value)
            if not possible & kinds:
                before = " or ".join(ARTICLES[kind] for kind in ARTICLES if kind in possible)
                wanted = f"{before}, as in earlier rows" if kinds else "a number, text, a boolean or a date"
                raise column.bad_cell(row, wanted, value)
            possible &= kinds

    def finished(self) -> AnyColumn:
        """Return the fitted column. Raises InvalidInput if all values are missing."""
        left = [self._fits[kind] for kind in (NUMBER, DATE, CATEGORY) if kind in self._fits]
        # in a column in which all texts are "NA", only the categories have a value
        fit = next((fit for fit in left if fit.seen), None)
        if fit is None:
            detail = "expected at least one value, all are missing; the column may be ignored"
            raise InvalidInput(Place("columns", self.name), detail, "EMPTY_COLUMN")
        return fit.finished(self.name)


def possible_kinds(column: RawColumn) -> frozenset[str]:
    """Return the kinds that the types of the values allow; none if the values do not fit together."""
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


def fit_columns(
    tables: Iterable[TableLike],
    choices: Mapping[str, Encoding],
    *,
    ignored: Collection[str] | None,
    extra: Collection[str] | None,
) -> tuple[AnyColumn, ...]:
    """Fit the columns of several tables: those with a chosen encoding, and all others that are not ignored.

    With `ignored` None, all others are. Raises InvalidInput, naming row, counted over all tables, and column.
    """
    fits: list[ColumnFit] | None = None
    start = 0
    for table in several(tables):
        if fits is None:
            if isinstance(table, list | tuple) and not table:
                continue  # an empty list has no column names
            fits = [ColumnFit(name, choices.get(name)) for name in _names_to_fit(table, choices, ignored)]
        read = columns_of(table, [fit.name for fit in fits], extra=extra, start=start)
        for fit, column in zip(fits, read, strict=True):
            fit.add(column)
        start += len(read[0])
    if fits is None or start == 0:
        raise InvalidInput("table", "expected at least 1 row, got 0")
    return tuple(fit.finished() for fit in fits)


def _names_to_fit(table: TableLike, choices: Mapping[str, Encoding], ignored: Collection[str] | None) -> list[str]:
    given = names_of(table)
    for name in choices:
        if name not in given:
            detail = f"there is no column {shown(name)}; the columns are {', '.join(given)}"
            detail += did_you_mean(name, given)
            raise InvalidInput(Place("columns", name), detail)
    wanted = [name for name in given if name in choices or (ignored is not None and name not in ignored)]
    if not wanted:
        raise InvalidInput("table", "expected at least 1 column that is not ignored, got 0")
    return wanted
