"""Asking a model about rows of the command line, which are texts."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    from layerwise_client.client import Client
    from layerwise_client.prediction import Prediction


_QUOTED = "a value with a comma needs quotes"


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks `client` what a version of `model` says, and why if `explain`; cells among `missing` have no value."""

    client: Client
    model: str
    version: str | None
    missing: Collection[str]
    explain: bool

    def about_rows(self, rows: Sequence[str]) -> Prediction:
        """What it says of rows: AA,3.5 in the order of the columns, or carrier=AA,distance=3.5."""
        if not all(row.strip() for row in rows):
            wanted = "expected a row such as AA,3.5 in the order of the columns, or carrier=AA,distance=3.5"
            raise click.BadParameter(f"{wanted}; got nothing", param_hint="--row")
        split = [_cells(row) for row in rows]
        named = ["=" in cell for cells in split for cell in cells]
        if all(named):
            return self._about_named([_by_name(cells) for cells in split])
        if any(named):
            wanted = f"expected COLUMN=VALUE in every place or in none; {_QUOTED}, as in '\"price=12,5\",distance=3'"
            raise click.BadParameter(wanted, param_hint="--row")
        names = list(self.client.signature(self.model, version=self.version).columns)
        if not names:
            return self._about([_numbers(cells) for cells in split])
        return self._about_named([_by_order(cells, names) for cells in split])

    def _about_named(self, rows: list[dict[str, str]]) -> Prediction:
        has = {name: number for number, row in reversed([*enumerate(rows, 1)]) for name in row}
        for number, row in enumerate(rows, 1):
            if lacking := [name for name in has if name not in row]:
                detail = f"row {number}: the column {lacking[0]} is missing, but row {has[lacking[0]]} has it"
                raise InvalidRequest(f"--row: {detail}; write {lacking[0]}= for a missing value")
        return self._about(
            [{name: None if cell in self.missing else cell for name, cell in row.items()} for row in rows]
        )

    def _about(self, X: object) -> Prediction:
        try:
            return self.client.predict(self.model, cast(Any, X), version=self.version, explain=self.explain)
        except InvalidRequest as exc:
            match exc.place:
                case ("X", int(row), str(column)) if exc.reason != "MISSING_COLUMN":
                    where = f"row {row + 1}, column {column}: "
                case ("X", int(row), *_):
                    where = f"row {row + 1}: "
                case ("X", str(column)) if exc.reason != "MISSING_COLUMN":
                    where = f"column {column}: "
                case ("X", *_):
                    where = ""
                case _:
                    raise
            raise InvalidRequest(f"--row: {where}{exc.detail}", reason=exc.reason) from exc


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


def _by_order(cells: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(names):
        wanted = f"expected {len(names)} values in the order of the columns {', '.join(names)}"
        hint = f"; {_QUOTED}, as in '\"12,5\",3'" if len(cells) > len(names) else ""
        raise InvalidRequest(f"--row: {wanted}; got {len(cells)}{hint}")
    return dict(zip(names, cells, strict=True))


def _numbers(cells: Sequence[str]) -> list[float]:
    """The numbers in `cells`, for a version that takes no table."""
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        numbers = [math.nan]
    if "_" in "".join(cells) or not all(map(math.isfinite, numbers)):
        raise InvalidRequest(f"--row: expected numbers with commas between, got {','.join(cells)}")
    return numbers
