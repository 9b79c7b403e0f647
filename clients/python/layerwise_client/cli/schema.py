"""How a file was read, for people: its columns in a table, and what is doubtful, with the option that settles it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from layerwise_client.cli.output import say, table
from layerwise_client.dataset import Dataset
from layerwise_client.dataset_column import DatasetColumn
from layerwise_client.source import Doubt
from layerwise_client.wording import counted

_MOST = 20


def show_schema(dataset: Dataset, target: str | None) -> None:
    """Print the columns and the doubts on stderr: of a wide file the first columns, and all that are doubtful.

    That inputs cannot be learnt from says nothing of the column `target`.
    """
    columns = dataset.columns
    shown = [column for i, column in enumerate(columns) if i < _MOST or column.doubts]
    say(f"{dataset.name}: {counted(dataset.rows, 'row')}, {counted(len(columns), 'column')}", err=True)
    table(("column", "kind", "read as", "gaps", "different", "example"), map(_line, shown), err=True)
    if len(shown) < len(columns):
        say(f"… and {counted(len(columns) - len(shown), 'column')} without doubts", err=True)
    for doubt in dataset.doubts:
        say(f"{dataset.name}: {doubt.message}", err=True)
    for column, doubt in _doubts(columns, target):
        settled = settled_by(column, doubt)
        say(f"{column.name}: {doubt.message}{f': {settled}' if settled else ''}", err=True)


def settled_by(column: DatasetColumn, doubt: Doubt) -> str:
    """Return the option for the other choice, "" if there is none."""
    form = column.format
    match doubt.reason, doubt.choice:
        case _, "":
            return ""
        case _, "ignore":
            return f"--ignore {shlex.quote(column.name)}"
        case "MOSTLY_NUMBERS", _:
            return f"--missing {shlex.quote(doubt.example)}"
        case "NONE", _:
            choice = "category:gaps="
        case "DATE_ORDER", _:
            choice = f"date:day_first={'false' if form.get('day_first', True) else 'true'}"
        case "NUMBER_FORMAT", "number":
            thousands = "" if form.get("thousands") else ",thousands=."
            unit = f",unit={form['unit']}" if form.get("unit") else ""
            choice = f"number:decimal=,{thousands}{unit}"
        case _:
            choice = doubt.choice
    return f"--column {shlex.quote(f'{column.name}={choice}')}"


def _line(column: DatasetColumn) -> tuple[object, ...]:
    gaps = column.gaps or None
    distinct = f"~{float(f'{column.distinct:.3g}'):,.0f}" if column.distinct_estimated else column.distinct
    return column.name, column.kind, column.reading, gaps, distinct, column.example


def _doubts(columns: tuple[DatasetColumn, ...], target: str | None) -> Iterator[tuple[DatasetColumn, Doubt]]:
    for column in columns:
        for doubt in column.doubts:
            if not (column.name == target and doubt.choice == "ignore"):
                yield column, doubt
