"""Fitting of a column, block by block, whose format and encoding are given or inferred from its values.

A format that is not chosen follows from the first block in which the column has a value, and an encoding that is not
chosen from the format. All cells are then read by that format.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast
from zlib import crc32

from layerwise.checks import shown
from layerwise.errors import InvalidInput, Place, within
from layerwise.tables.category_column import CategoryColumn
from layerwise.tables.category_encodings import CategoryEncoding, OneHot
from layerwise.tables.category_fit import CategoryFit
from layerwise.tables.cells import is_missing
from layerwise.tables.column_format import (
    ARTICLES,
    CATEGORICAL,
    EVERYTHING,
    format_of,
    gaps_for,
    has_values,
    kinds_of,
    possible_kinds,
)
from layerwise.tables.column_texts import InferredFormat
from layerwise.tables.date_column import DateColumn, DateFit
from layerwise.tables.encoding import Encoding
from layerwise.tables.encodings import DateParts, NumberEncoding, Standardize
from layerwise.tables.format import Format
from layerwise.tables.formats import BooleanFormat, CategoryFormat, DateFormat, NumberFormat, TextFormat, TimeFormat
from layerwise.tables.number_column import NumberColumn
from layerwise.tables.number_fit import NumberFit
from layerwise.tables.number_inference import decimal_of
from layerwise.tables.reading import coded, is_plain, plain_numbers_in
from layerwise.tables.table import RawColumn, TableLike, columns_of, names_of, several
from layerwise.tables.text_column import TextColumn, TextFit
from layerwise.tables.text_encoding import HashedWords
from layerwise.wording import did_you_mean

AnyEncoding: TypeAlias = NumberEncoding | CategoryEncoding | DateParts | HashedWords
AnyColumn: TypeAlias = NumberColumn | CategoryColumn | DateColumn | TextColumn
AnyFit: TypeAlias = NumberFit | CategoryFit | DateFit | TextFit
MOST_OTHERS_IN_ALL = 2**17
"""The most categories without an output that all columns together remember."""
INFERRED: Mapping[str, Encoding] = {
    "number": Standardize(),
    "boolean": Standardize(),
    "date": DateParts(),
    "time": DateParts(parts=("time_cycle",)),
    "category": OneHot(),
    "text": HashedWords(),
}
"""The encoding of a column that has none, by the kind of its format."""


class ColumnFit:
    """Fitting of the column `name`; `encoding` and `form` are None if they are to be inferred."""

    def __init__(self, name: str, encoding: Encoding | None, form: Format | None) -> None:
        self.name = name
        self._encoding = cast(AnyEncoding | None, encoding)
        self._is_chosen = form is not None
        self.inferred: InferredFormat | None = None
        self._possible = EVERYTHING
        self._gaps = False  # whether values were missing in blocks without any
        self._fit = None if form is None else _new_fit(name, self._encoding, form)

    def begin(self, column: RawColumn) -> RawColumn:
        """Infer the format from the first block that has values, and return that block, partly read.

        Raises InvalidInput if the types of its values do not go together.
        """
        if self._fit is not None or self.inferred or not has_values(column, gaps_for(self._encoding)):
            return column
        column, self._possible = self._with_kinds(column)
        self.inferred = format_of(column, self._possible, self._encoding)
        return column

    def add(self, column: RawColumn, decimal: str) -> None:
        """Add a block that `begin` returned; `decimal` is the decimal sign that other columns show, or "".

        Raises InvalidInput, naming row and column.
        """
        if self._fit is None:
            if self.inferred is None:
                self._note_gaps(column)
                return
            if self.inferred.is_undecided and decimal:
                self.inferred = format_of(column, self._possible, self._encoding, decimal)
            form = self.inferred.format
            if isinstance(form, NumberFormat) and not is_plain(form):
                column = replace(column, numbers=None)  # they are read in plain notation
            self._fit = _new_fit(self.name, self._encoding, form)
            self._fit.gaps = self._gaps
        if not self._is_chosen:
            column = replace(column, hint=self._hint())
        self._fit.add(column)

    def _hint(self) -> str:
        """Return what the error of a cell that cannot be read says besides: how to choose a format."""
        assert self._fit is not None
        own = f"formats={{{shown(self.name)}: {type(self._fit.format).__name__}(gaps=(…))}}"
        other = "" if self._encoding else f", or formats={{{shown(self.name)}: CategoryFormat()}}"
        return f"; if it stands for a missing value, choose {own}{other}"

    def _note_gaps(self, column: RawColumn) -> None:
        """Record that all values of a block are missing. Raises InvalidInput if the encoding refuses that."""
        if len(column) and self._encoding is not None and self._encoding.missing == "error":
            raise column.missing_cell(0, "a value")
        self._gaps |= len(column) > 0

    def _with_kinds(self, column: RawColumn) -> tuple[RawColumn, frozenset[str]]:
        """Return a block, partly read, and the kinds of format that may read it. Raises InvalidInput if none may."""
        if isinstance(self._encoding, CategoryEncoding):
            column, possible = coded(column), CATEGORICAL if column.categories is not None else EVERYTHING
        else:
            possible = possible_kinds(column)
            if not possible and self._encoding is None:
                _refuse(column)
            if column.categories is None and isinstance(column.values, list):
                numbers = plain_numbers_in(column.values, NumberFormat())
                column = coded(column) if numbers is None else replace(column, numbers=numbers)
        return column, possible

    def finished(self) -> AnyColumn:
        """Return the fitted column. Raises InvalidInput if all values are missing."""
        if self._fit is None or not self._fit.seen:
            detail = "expected at least one value, all are missing; the column may be ignored"
            raise InvalidInput(Place("columns", self.name), detail, "EMPTY_COLUMN")
        fit = self._fit
        doubts = self.inferred.doubts if self.inferred else ()
        return replace(fit.finished(self.name), doubts=doubts, gaps=fit.gaps, range=fit.range)


def _new_fit(name: str, encoding: AnyEncoding | None, form: Format) -> AnyFit:
    """Return the fit of a column; `encoding` is None if it follows from the format."""
    own = INFERRED[form.kind] if encoding is None else encoding
    if isinstance(own, NumberEncoding):
        return NumberFit(own, cast(NumberFormat | BooleanFormat, form), seed=crc32(name.encode(errors="replace")))
    if isinstance(own, DateParts):
        return DateFit(own, cast(DateFormat | TimeFormat, form))
    if isinstance(own, HashedWords):
        return TextFit(own, cast(TextFormat, form))
    with within("columns", name):
        return CategoryFit(
            cast(CategoryEncoding, own), cast(CategoryFormat | BooleanFormat, form), inferred=encoding is None
        )


def _refuse(column: RawColumn) -> None:
    """Raise InvalidInput at the first cell that does not fit those before it."""
    possible = EVERYTHING
    for row in range(len(column)):
        value = column.cell(row)
        if is_missing(value):
            continue
        kinds = kinds_of(value)
        if not possible & kinds:
            before = " or ".join(ARTICLES[kind] for kind in ARTICLES if kind in possible)
            wanted = f"{before}, as in earlier rows" if kinds else "a number, text, a boolean, a date or a time of day"
            raise column.bad_cell(row, wanted, value)
        possible &= kinds


def fit_columns(
    tables: Iterable[TableLike],
    choices: Mapping[str, Encoding],
    formats: Mapping[str, Format],
    *,
    ignored: Collection[str] | None,
    extra: Collection[str] | None,
) -> tuple[AnyColumn, ...]:
    """Fit the columns of several tables: those with a chosen encoding or format, and all that are not ignored.

    With `ignored` None, all others are. Raises InvalidInput, naming row, counted over all tables, and column.
    """
    fits: list[ColumnFit] | None = None
    start = 0
    for table in several(tables):
        if fits is None:
            if isinstance(table, list | tuple) and not table:
                continue  # an empty list has no column names
            names = _names_to_fit(table, {"columns": choices, "formats": formats}, ignored)
            fits = [ColumnFit(name, choices.get(name), formats.get(name)) for name in names]
        read = columns_of(table, [fit.name for fit in fits], extra=extra, start=start)
        begun = [fit.begin(column) for fit, column in zip(fits, read, strict=True)]
        decimal = decimal_of(fit.inferred for fit in fits if fit.inferred)
        for fit, column in zip(fits, begun, strict=True):
            fit.add(column, decimal)
        start += len(read[0])
    if fits is None or start == 0:
        raise InvalidInput("table", "expected at least 1 row, got 0")
    return _without_most_others([fit.finished() for fit in fits])


def _without_most_others(columns: Sequence[AnyColumn]) -> tuple[AnyColumn, ...]:
    """Return the columns, those with the most other categories without them, so that a model file stays small."""
    left = MOST_OTHERS_IN_ALL
    forgotten: set[str] = set()
    known = [column for column in columns if isinstance(column, CategoryColumn) and column.others]
    for column in sorted(known, key=lambda column: len(column.others or ())):
        left -= len(column.others or ())
        if left < 0:
            forgotten.add(column.name)
    return tuple(
        replace(column, others=None) if isinstance(column, CategoryColumn) and column.name in forgotten else column
        for column in columns
    )


def _names_to_fit(
    table: TableLike, choices: Mapping[str, Mapping[str, object]], ignored: Collection[str] | None
) -> list[str]:
    """Return the names of the columns to fit; `choices` are those of columns, by the argument that has them."""
    given = names_of(table)
    for argument, chosen in choices.items():
        for name in chosen:
            if name not in given:
                detail = f"there is no column {shown(name)}; the columns are {', '.join(given)}"
                detail += did_you_mean(name, given)
                raise InvalidInput(Place(argument, name), detail)
    named = {name for chosen in choices.values() for name in chosen}
    wanted = [name for name in given if name in named or (ignored is not None and name not in ignored)]
    if not wanted:
        raise InvalidInput("table", "expected at least 1 column that is not ignored, got 0")
    return wanted
