"""Asking a model about rows that are text: the records of a CSV file, or rows of the command line."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import click

from layerwise_client._transport.predict import UNKNOWN_COLUMN, WRONG_KIND
from layerwise_client.cli.csv_records import Record, column_of, misplaced, number_of, read
from layerwise_client.errors import InvalidRequest
from layerwise_client.prediction import joined

if TYPE_CHECKING:
    import numpy.typing as npt

    from layerwise_client.client import Client
    from layerwise_client.prediction import Prediction

_BLOCK = 16_384  # records held at once


@dataclass(slots=True)
class Truth:
    """The cells of the target column `column` of a file that have a value, their rows and their lines.

    `missing` rows have none.
    """

    name: str
    column: str
    cells: list[str] = field(default_factory=list[str])
    rows: list[int] = field(default_factory=list[int])
    lines: list[int] = field(default_factory=list[int])
    missing: int = 0

    def add(self, line: int, cell: str, missing: Collection[str]) -> None:
        """Takes the cell of the next row, which has no value if it is among `missing`."""
        if cell in missing:
            self.missing += 1
            return
        self.rows.append(len(self.rows) + self.missing)
        self.cells.append(cell)
        self.lines.append(line)

    def numbers(self) -> npt.NDArray[Any]:
        """The cells as numbers (rows,); raises `InvalidRequest`, naming the line."""
        import numpy as np

        return np.array(_numbers(self.cells, [self.column] * len(self.cells), self.lines, self.name))


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks `client` what a version of `model` says; cells among `missing` have no value."""

    client: Client
    model: str
    version: str | None
    missing: Collection[str]

    def about_file(self, data: BinaryIO, name: str, target: str | None) -> tuple[Prediction, Truth | None]:
        """What it says of all records of a CSV file, and the truth in its column `target`, if there is one.

        A version that takes a table is asked by the names of the columns, another by their order. Raises
        `InvalidRequest`, naming the line.
        """
        header, records = read(data, name)
        place = None if target is None else column_of(header, target, name)
        truth = None if target is None else Truth(name, target)
        names = [column for column in header if column != target]
        answers: list[Prediction] = []
        version: str | int | None = self.version
        by_name = True
        while block := list(islice(records, _BLOCK)):
            if place is not None and truth is not None:
                for line, cells in block:
                    truth.add(line, cells.pop(place), self.missing)
            try:
                try:
                    answer = self._about(names, block, name, version, by_name=by_name)
                except InvalidRequest as exc:
                    if exc.reason != WRONG_KIND or answers:
                        raise
                    by_name = False
                    answer = self._about(names, block, name, version, by_name=False)
            except InvalidRequest as exc:
                raise self._by_line(exc, names, block, name, target) from exc
            version = answer.version  # a version that is published meanwhile says nothing of the rest
            answers.append(answer)
        return joined(answers), truth

    def about_rows(self, rows: Sequence[str]) -> Prediction:
        """What it says of rows of the command line: AA,3.5 in the order of the columns, or carrier=AA,distance=3.5."""
        if not all(row.strip() for row in rows):
            wanted = "expected a row such as AA,3.5 in the order of the columns, or carrier=AA,distance=3.5"
            raise click.BadParameter(f"{wanted}; got nothing", param_hint="--row")
        split = [_cells(row) for row in rows]
        named = ["=" in cell for cells in split for cell in cells]
        if all(named):
            return self._about_named([_by_name(cells) for cells in split])
        if any(named):
            raise click.BadParameter("expected COLUMN=VALUE in every place or in none", param_hint="--row")
        numbers = [[_number(cell) for cell in cells] for cells in split]
        X = [[number for number in row if number is not None and math.isfinite(number)] for row in numbers]
        if list(map(len, X)) == list(map(len, numbers)):
            return self._about_rows(X)
        names = self._columns()
        if not names:
            wrong = next(row for row, cells, read in zip(rows, numbers, X, strict=True) if len(read) < len(cells))
            raise InvalidRequest(f"--row: expected numbers with commas between, got {wrong}")
        return self._about_named([self._by_order(cells, names) for cells in split])

    def _columns(self) -> list[str]:
        """Names of the columns that the version takes; none if it takes rows of numbers."""
        return list(self.client.model(self.model).at(self.version).column_names)

    def _by_order(self, cells: Sequence[str], names: Sequence[str]) -> dict[str, str]:
        if len(cells) != len(names):
            wanted = f"expected {len(names)} values in the order of the columns {', '.join(names)}"
            raise InvalidRequest(f"--row: {wanted}; got {len(cells)}")
        return dict(zip(names, cells, strict=True))

    def _about_named(self, rows: list[dict[str, str]]) -> Prediction:
        has = {name: number for number, row in reversed([*enumerate(rows, 1)]) for name in row}
        for number, row in enumerate(rows, 1):
            if lacking := [name for name in has if name not in row]:
                detail = f"row {number}: the column {lacking[0]} is missing, but row {has[lacking[0]]} has it"
                raise InvalidRequest(f"--row: {detail}; write {lacking[0]}= for a missing value")
        valued = [{name: None if cell in self.missing else cell for name, cell in row.items()} for row in rows]
        return self._about_rows(valued)

    def _about_rows(self, X: object) -> Prediction:
        try:
            return self.client.predict(self.model, cast(Any, X), version=self.version)
        except InvalidRequest as exc:
            match exc.place:
                case ("X", int(row), str(column)):
                    where = f"row {row + 1}, column {column}: "
                case ("X", int(row), *_):
                    where = f"row {row + 1}: "
                case ("X", str(column)):
                    where = f"column {column}: "
                case ("X",):
                    where = ""
                case _:
                    raise
            raise InvalidRequest(f"--row: {where}{exc.detail}", reason=exc.reason) from exc

    def _about(
        self, names: list[str], block: list[Record], name: str, version: str | int | None, *, by_name: bool
    ) -> Prediction:
        if by_name:
            columns = zip(*(cells for _, cells in block), strict=True)
            table = {
                column: ["" if cell in self.missing else cell for cell in cells]
                for column, cells in zip(names, columns, strict=True)
            }
            return self.client.predict(self.model, table, version=version)
        X = [_numbers(cells, names, [line] * len(names), name) for line, cells in block]
        return self.client.predict(self.model, X, version=version)

    def _by_line(
        self, exc: InvalidRequest, names: list[str], block: list[Record], name: str, target: str | None
    ) -> InvalidRequest:
        """Return the error with the file and the line, if it is about a row of `block`."""
        hint = ""
        if target is None and exc.reason == UNKNOWN_COLUMN:
            hint = "; --target leaves out the column with the truth"
        match exc.place:
            case ("X", str(column)) | ("X", int(), str(column)) if column == target:
                message = f"--target: {column} is a column that {self.model} predicts from, not the one it predicts"
            case ("X", int(row), str(column)):
                message = f"{name} line {block[row][0]}, column {column}: {exc.detail}{hint}"
            case ("X", int(row), int(column)):
                message = f"{name} line {block[row][0]}, column {names[column]}: {exc.detail}"
            case ("X", str(column)):
                message = f"{name} column {column}: {exc.detail}{hint}"
            case ("X",):
                message = f"{name}: {exc.detail}"
            case _:
                return exc
        return InvalidRequest(message, reason=exc.reason)


def _cells(row: str) -> list[str]:
    """The values of a row of the command line, which may be quoted as in a CSV file."""
    try:
        return [cell.strip() for cell in next(csv.reader([row], skipinitialspace=True))]
    except csv.Error as exc:  # an end of a line, or a value of more than 128 KiB
        raise click.BadParameter(f"expected one line with commas between values ({exc})", param_hint="--row") from exc


def _by_name(cells: Sequence[str]) -> dict[str, str]:
    """The values of `cells`, each COLUMN=VALUE, by their columns."""
    row: dict[str, str] = {}
    for cell in cells:
        name, _, value = cell.partition("=")
        if name.strip() in row:
            detail = f"expected each column once, got {name.strip()} twice in {','.join(cells)}"
            raise click.BadParameter(detail, param_hint="--row")
        row[name.strip()] = value.strip()
    return row


def _number(cell: str) -> float | None:
    """The number that stands in `cell`, a whole one of any length as it is; None if it is none."""
    number = number_of(cell)
    whole = cell.removeprefix("-").isdecimal()
    return int(cell) if whole and number is not None and math.isfinite(number) else number


def _numbers(cells: Sequence[str], columns: Sequence[str], lines: Sequence[int], name: str) -> list[float]:
    found: list[float] = []
    for cell, column, line in zip(cells, columns, lines, strict=True):
        number = number_of(cell)
        if number is None or not math.isfinite(number):
            raise misplaced(name, line, column, "a number", cell)
        found.append(number)
    return found
