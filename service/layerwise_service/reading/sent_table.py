"""A table that was sent as typed columns: the format of each column is decided, and its values are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.tables.column_texts import InferredFormat
from layerwise.tables.format import Format, numbers_in
from layerwise.tables.formats import BooleanFormat, CategoryFormat, DateFormat, NumberFormat, TextFormat, TimeFormat
from layerwise.tables.inference import infer_format
from layerwise.tables.names import column_names, name_doubts
from layerwise.tables.number_inference import decimal_of
from layerwise_service.errors import InvalidRequest
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.indexes import with_indexes
from layerwise_service.reading.schema import ColumnSchema, TableSchema
from layerwise_service.reading.sent_columns import SentColumns
from layerwise_service.reading.text_counts import TextCounts
from layerwise_service.reading.values import Values

_PLAIN = ("whole", "number", "boolean")
_OF_TEXTS: Mapping[str, type[DateFormat | TimeFormat | TextFormat]] = {
    "date": DateFormat,
    "time": TimeFormat,
    "text": TextFormat,
}
_TEXT_FORMATS = (CategoryFormat, TextFormat)
_MOST_KEPT = 150_000
"""How many different cells of all columns together have their values kept, since most cells come again."""


class SentTable:
    """The table whose columns are in `folder`, as `SentColumns` describes it.

    A format is chosen by the caller, or follows from the type of the column, or is inferred if the column has texts
    without a type. Raises `InvalidRequest`.
    """

    def __init__(self, folder: Path, choices: ReadingChoices) -> None:
        sent = SentColumns.read(folder)
        self._stored = sent.table(folder)
        self._given = [column.name for column in sent.columns]
        names = column_names(self._given)
        kinds = [sent.kinds.get(name, "") for name in self._given]
        self._are_booleans = [kind == "boolean" for kind in kinds]
        numeric = [column.kind == "numbers" for column in sent.columns]
        typed = {
            name: kind if kind in _PLAIN else "number"
            for name, kind, are_numbers in zip(names, kinds, numeric, strict=True)
            if are_numbers or kind in _PLAIN
        }
        chosen, usual = choices.formats_of(names, typed), choices.usual_gaps

        def found(i: int, decimal: str = "") -> tuple[InferredFormat, ColumnSchema]:
            form = chosen.get(names[i])
            if numeric[i]:
                return self._of_numbers(i, names[i], form, _format_of_numbers(kinds[i], usual))
            counts = self._counts(self._given[i], form.gaps if form else usual)
            if form is None and counts.distinct:
                form = _format_of_texts(kinds[i], counts, choices)
            return _of_texts(names[i], form, counts, usual, "." if kinds[i] in _PLAIN else decimal)

        columns = [found(i) for i in range(len(names))]
        if decimal := decimal_of(form for form, _ in columns):
            columns = [found(i, decimal) if each[0].is_undecided else each for i, each in enumerate(columns)]
        self.schema = TableSchema(
            tuple(column for _, column in columns), sent.rows, tuple(name_doubts(self._given, names))
        )
        self.schema = with_indexes(self.schema, chosen=chosen, numbers_rows=self._numbers_rows)

    def blocks(self) -> Iterator[dict[str, Values]]:
        """Yield the rows in blocks: float64 of numbers, booleans, dates and times, else lists of texts.

        A missing value is NaN or None; dates are in seconds since 1970, times of day in seconds since midnight.
        """
        columns = self.schema.columns
        readers = [
            _CellReader(column, are_booleans=are_booleans, most_kept=_MOST_KEPT // len(columns))
            for column, are_booleans in zip(columns, self._are_booleans, strict=True)
        ]
        start = 0
        for block in self._stored.blocks():
            given = [block[name] for name in self._given]
            yield {reader.name: reader.read(values, start) for reader, values in zip(readers, given, strict=True)}
            start += len(given[0])

    def _numbers_rows(self, i: int) -> bool:
        """Return whether a column without gaps has a whole number of at least 0 in each row, all different."""
        values = self._stored.values(self._given[i], 0, self._stored.rows)
        reader = _CellReader(self.schema.columns[i], are_booleans=self._are_booleans[i], most_kept=_MOST_KEPT)
        numbers = np.asarray(reader.read(values, 0))
        numbers.sort()
        return bool(numbers[0] >= 0 and (np.diff(numbers) > 0).all() and (numbers == np.floor(numbers)).all())

    def _counts(self, name: str, gaps: tuple[str, ...]) -> TextCounts:
        """Return the counts of one column of texts: those of all columns together may not fit in memory."""
        counts = TextCounts(gaps)
        for block in self._stored.blocks((name,)):
            counts.add(cast("list[str]", block[name]))
        return counts

    def _of_numbers(
        self, i: int, name: str, chosen: Format | None, usual: Format
    ) -> tuple[InferredFormat, ColumnSchema]:
        """Return the format of a column of numbers, and what is known of the column."""
        form = chosen or usual
        values = self._stored.values(self._given[i], 0, self._stored.rows)
        assert isinstance(values, np.ndarray)
        if not (have_value := _have_value(values, form)).all():
            values = values[have_value]
        gaps = self._stored.rows - len(values)
        found = InferredFormat(form)
        if not len(values) and chosen is None:
            found = infer_format({}, gaps=form.gaps)
        example = _text_of(values[0], is_boolean=self._are_booleans[i]) if len(values) else ""
        values.sort()
        distinct = int(np.count_nonzero(values[1:] != values[:-1])) + 1 if len(values) else 0
        return found, ColumnSchema(name, found.format, gaps, distinct, example, found.doubts)


def _format_of_numbers(kind: str, gaps: tuple[str, ...]) -> Format:
    """Return the format of a column of numbers of this kind."""
    if kind == "category":
        return CategoryFormat(gaps, numeric=True)
    return BooleanFormat(gaps) if kind == "boolean" else NumberFormat(gaps)


def _format_of_texts(kind: str, counts: TextCounts, choices: ReadingChoices) -> Format | None:
    """Return the format of a column of texts of this kind; None if the texts have to show it."""
    usual = choices.usual_gaps
    if kind == "category":  # a word such as NA is no gap if it is one of the categories
        return CategoryFormat(tuple(word for word in usual if word in choices.gaps or word not in counts.texts))
    return _OF_TEXTS[kind](usual) if kind in _OF_TEXTS else None


def _of_texts(
    name: str, form: Format | None, counts: TextCounts, gaps: tuple[str, ...], decimal: str
) -> tuple[InferredFormat, ColumnSchema]:
    """Return the format of a column of texts, inferred unless `form` is given, and what is known of the column."""
    found = InferredFormat(form) if form else infer_format(counts.texts, counts.plain, gaps=gaps, decimal=decimal)
    is_gap = found.format.is_gap
    without = {text: rows for text, rows in counts.texts.items() if is_gap(text.strip())}
    return found, ColumnSchema(
        name,
        found.format,
        counts.empty + sum(without.values()),
        counts.distinct - len({text.strip() for text in without}),
        next((text for text in counts.first if not is_gap(text.strip())), ""),
        found.doubts,
    )


class _CellReader:
    """Reads the values of a column by its format."""

    def __init__(self, column: ColumnSchema, *, are_booleans: bool, most_kept: int) -> None:
        self.name = column.name
        self._format = column.format
        self._most_kept = most_kept
        self._are_booleans = are_booleans
        self._read = column.format.reader()
        self._known: dict[object, Any] = {"": None}

    def read(self, values: NDArray[np.float64] | list[str], start: int) -> Values:
        """Return the values of a block of rows, the first of which is row `start`. Raises `InvalidRequest`."""
        form = self._format
        if isinstance(values, list):
            read = self._each(values, start, str)
        elif isinstance(form, NumberFormat):
            return np.where(_have_value(values, form), values, np.nan)
        elif isinstance(form, CategoryFormat | BooleanFormat):
            given = ["" if number != number else number for number in values.tolist()]  # noqa: PLR0124 - NaN
            read = self._each(given, start, self._as_given)
        else:
            read = self._each([_text_of(each, is_boolean=self._are_booleans) for each in values.tolist()], start, str)
        return read if isinstance(form, _TEXT_FORMATS) else np.array(read, np.float64)

    def _each(self, values: Sequence[Any], start: int, as_given: Callable[[Any], object]) -> list[Any]:
        known = self._known
        if len(known) > self._most_kept:
            known.clear()
            known[""] = None
        for value in [each for each in dict.fromkeys(values) if each not in known]:  # in order, for the first error
            try:
                known[value] = self._read(as_given(value))
            except (ValueError, OverflowError):
                row = start + values.index(value)
                got = shown(value) if isinstance(value, str) else _text_of(value, is_boolean=self._are_booleans)
                detail = f"expected {self._format.wanted}, got {got}"
                detail = f"{detail}: change it, or name it as a word for a missing value"
                place = Place("rows", row, self.name)
                raise InvalidRequest(detail, pointer=place, reason="BAD_CELL") from None
        return [known[value] for value in values]

    def _as_given(self, number: float) -> object:
        return bool(number) if self._are_booleans and number in (0.0, 1.0) else number


def _have_value(values: NDArray[np.float64], form: Format) -> NDArray[np.bool_]:
    """Return which numbers are neither NaN nor words for a gap."""
    there = ~np.isnan(values)
    if numbers := numbers_in(form.gaps):
        there &= ~np.isin(values, numbers)
    return there


def _text_of(value: float, *, is_boolean: bool) -> str:
    """Return the text of a number, 2007.0 as 2007; "" for NaN."""
    if np.isnan(value):
        return ""
    if is_boolean and value in (0.0, 1.0):
        return "true" if value else "false"
    return str(int(value)) if value == int(value) and abs(value) < 1e16 else repr(float(value))
