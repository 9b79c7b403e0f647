"""Rows for predictions as clients send them in JSON or CSV, and what a version takes instead of them.

Clients of other servers send rows as lists, as objects or as single values, and also columns by name. All of these
become the forms that `VersionPredictor` takes, here and nowhere else.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

import msgspec

from layerwise.checks import counted, shown
from layerwise.errors import Place
from layerwise_service.domain.datasets import rows_of
from layerwise_service.domain.json_words import json_word
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.usecases.loaded_version import Instances, Rows

_NUMBERS = list[list[float]]
_LONGEST_CELL = 131_072  # characters; the csv module may have a higher limit, which holds for the whole process
_TOO_LONG = f"a cell has more than {_LONGEST_CELL:,} characters"


@dataclass(frozen=True, slots=True)
class Sent:
    """Rows as a request has them.

    - `values` are rows, or columns by name, and `at` is their place in the request, for errors.
    - `columns` names the values of rows that are lists. They are not read for a version that takes rows of numbers.
    - `numbers`: all rows are lists of floats, or one array of them.
    - `of_frame`: the rows are those of a data frame, of which a version leaves out columns that it does not take.
    - `texts`: numbers are sent as texts.
    """

    values: Sequence[Any] | Mapping[str, Any]
    at: str
    columns: Sequence[str] | None = None
    numbers: bool = False
    of_frame: bool = False
    texts: bool = False

    @property
    def is_matrix(self) -> bool:
        """Whether the rows are those of a matrix, for every version."""
        return self.numbers and self.columns is None

    def for_version(self, names: Sequence[str] | None) -> tuple[Rows, str]:
        """Return the rows, and their place, for a version that takes the columns `names`; None: rows of numbers.

        Raises `InvalidRequest`.
        """
        self._check_columns()
        if isinstance(self.values, Mapping):
            return self._columns(self.values, names)
        if names is None:
            return self._numbers(self.values), self.at
        return Instances([self._row(row, index, names) for index, row in enumerate(self.values)]), self.at

    @contextmanager
    def placing(self) -> Generator[None]:
        """Let errors about columns have the place that a cell has in the request: the column, then the row."""
        try:
            yield
        except InvalidRequest as error:
            match error.place:
                case (str(at), "rows", int(row), str(name)) if at == self.at:
                    place = Place(at, name, row)
                case (str(at), "columns", str(name)) if at == self.at:
                    place = Place(at, name)
                case _:
                    raise
            raise type(error)(error.detail, pointer=place, reason=error.reason) from error

    def _check_columns(self) -> None:
        if self.columns is None:
            return
        seen: set[str] = set()
        for name in self.columns:
            if name in seen:
                raise InvalidRequest(f"expected every column once, got {shown(name)} twice", pointer=self.at)
            seen.add(name)
        for index, row in enumerate(self.values):
            if len(row) != len(self.columns):
                detail = f"expected {counted(len(self.columns), 'value')}, one for each column, got {len(row)}"
                raise InvalidRequest(detail, pointer=Place(self.at, index), reason="WRONG_FEATURE_COUNT")

    def _columns(self, given: Mapping[str, Any], names: Sequence[str] | None) -> tuple[Rows, str]:
        for name, values in given.items():
            if not isinstance(values, list):
                raise InvalidRequest(f"expected a list, got {json_word(values)}", pointer=Place(self.at, name))
        if names is None and len(given) == 1:  # the one input of the network, whatever its name
            ((name, rows),) = given.items()
            return self._numbers(rows), str(Place(self.at, name))
        if names is None:
            detail = "expected rows of numbers, since this version was not trained on a table; got columns by name"
            raise InvalidRequest(detail, pointer=self.at, reason="WRONG_KIND_OF_ROWS")
        first = rows_of(given)
        for name, values in given.items():
            if len(values) != first:
                detail = f"expected {counted(first, 'value')}, as the first column has, got {len(values)}"
                raise InvalidRequest(detail, pointer=Place(self.at, name))
        taken = self._taken(given, names) or given  # an error names the columns that are missing
        columns = {
            name: [_cell(value, self.at, name, index) for index, value in enumerate(values)]
            for name, values in taken.items()
        }
        return columns, self.at

    def _numbers(self, given: Sequence[Any]) -> list[list[float]] | Instances:
        """Return the rows as lists of numbers; with a wrong value, they are `Instances`, whose check finds it."""
        if self.numbers:
            return cast(_NUMBERS, given)
        rows = [_numbers_of(row) for row in given]
        try:
            return msgspec.convert(rows, _NUMBERS, strict=not self.texts)
        except msgspec.ValidationError:
            if self.texts:
                self._check_texts()
            return Instances(cast("list[Any]", rows))

    def _check_texts(self) -> None:
        """Raise `InvalidRequest` at the first text that is no number."""
        for index, row in enumerate(self.values):
            for name, text in zip(self.columns or (), row, strict=True):
                try:
                    msgspec.convert(text, float, strict=False)
                except msgspec.ValidationError:
                    detail = f"expected a number, got {shown(text)}"
                    raise InvalidRequest(detail, pointer=Place(self.at, index, name)) from None

    def _row(self, row: object, index: int, names: Sequence[str]) -> dict[str, object] | list[object]:
        """Return a row of a table, whose cells are plain values."""
        if self.columns is not None and _is_list(row):
            row = dict(zip(self.columns, row, strict=True))
        if _is_object(row) and not _is_base64(row):
            return {name: _cell(value, self.at, index, name) for name, value in self._taken(row, names).items()}
        cells = row if _is_list(row) else [row]
        return [_cell(value, self.at, index, column) for column, value in enumerate(cells)]

    def _taken(self, given: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
        if not self.of_frame:
            return given
        known = set(names)
        return {name: value for name, value in given.items() if name in known}


def csv_rows(body: bytes, *, most_rows: int, most_values: int) -> Sent:
    """Return the rows of a CSV file, of texts: a header, commas, quotes as in RFC 4180.

    Raises `InvalidRequest`, `TooLarge`.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"expected text in UTF-8: {error}", reason="INVALID_CSV") from error
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(lines, None) or []
        rows: list[list[str]] = []
        for row in lines:
            if not row and len(header) > 1:
                continue  # an empty line
            if any(len(cell) > _LONGEST_CELL for cell in row):
                raise csv.Error(_TOO_LONG)
            rows.append(row or [""])
            if len(rows) > most_rows or len(rows) * len(header) > most_values:
                raise TooLarge("too many rows at once; send them in several requests", reason="TOO_MANY_ROWS")
    except csv.Error as error:
        why = _TOO_LONG if "limit" in str(error) else error
        raise InvalidRequest(f"line {lines.line_num} is not CSV: {why}", reason="INVALID_CSV") from error
    if not header:
        raise InvalidRequest("expected a line with the names of the columns, got an empty body", reason="INVALID_CSV")
    return Sent(rows, "rows", header, of_frame=True, texts=True)


def _numbers_of(row: object) -> object:
    """Return the values of a row of numbers, which may be in an object, as the one input of the network."""
    if _is_object(row) and len(row) == 1:
        (row,) = row.values()
    return row if _is_list(row) or _is_object(row) else [row]


def _cell(value: object, *steps: str | int) -> object:
    """Return the cell of a table; it may be the only one in a list, and its text in Base64."""
    if _is_list(value) and len(value) == 1:
        (value,) = value
    if not _is_base64(value):
        return value
    try:
        return base64.b64decode(value["b64"], validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"expected text in UTF-8, in Base64: {error}", pointer=Place(*steps)) from error


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_base64(value: object) -> TypeGuard[dict[str, str]]:
    return _is_object(value) and len(value) == 1 and isinstance(value.get("b64"), str)
