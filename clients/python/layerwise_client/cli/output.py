"""All that commands write for a reader: lines, JSON, tables, and names with values.

Texts of others, such as labels and column names, may hold anything. What is written here has no control character but
the ends of lines, so that none of it steers a terminal or forges a line.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerwise_client.results import Snapshot
from layerwise_client.wording import printable


def say(line: str, *, err: bool = False) -> None:
    """Print one line, on stderr if `err`."""
    click.echo(printable(line), err=err)


def emit(value: object, *, line: bool = False, file: TextIO | None = None) -> None:
    """Print `value` as JSON, in one `line` or indented. Times are in RFC 3339; NaN and infinity become null.

    By default on stdout.
    """
    text = json.dumps(_plain(value), indent=None if line else 2, ensure_ascii=False, allow_nan=False)
    click.echo("\n".join(map(_printable_json, text.split("\n"))), file=file)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, err: bool = False) -> None:
    """Print a table, on a terminal as wide as that, in a pipe as wide as its contents; on stderr if `err`."""
    console = _console(err=err)
    view = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    # Text, so that a label such as [b] is not read as markup
    for column in columns:
        view.add_column(Text(printable(column)), overflow="fold")  # an id is not cut off
    for row in rows:
        view.add_row(*(Text(printable(_cell(value))) for value in row))
    console.print(view)


def facts(pairs: Mapping[str, object]) -> None:
    """Print names and values, a pair on each line, without those whose value is None."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        if value is not None:
            say(f"{name.ljust(width)}  {_cell(value)}")


def epoch_of(job: Snapshot) -> str | None:
    """Return the epoch of a job's record, with "(kept)" if the version has its weights; None without a record."""
    if job.record is None:
        return None
    return f"{job.record.epoch} (kept)" if job.version is not None and job.record.kept else str(job.record.epoch)


def measured_on(job: Snapshot) -> str | None:
    """Return on which rows the figures of a job's record were measured, and when; None without a record."""
    if job.record is None:
        return None
    rows = f"{job.metric or 'metric'}: the training rows, in this epoch while training"
    if job.record.validation_metric is not None:
        rows += "; validation: the rows held out"
    else:
        rows += "; no rows were held out (--validation 0.1 holds out a tenth of the rows to measure on)"
        if job.version is not None:
            rows += f"; layerwise models show {job.model}/{job.version} has the figures of the version"
    return f"{rows}; rows are weighted by class_weight" if job.plan.get("class_weight") else rows


def _printable_json(line: str) -> str:
    """Return a line of JSON with the same meaning, in which what is not printable is escaped."""
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def _console(*, err: bool = False) -> Console:
    console = Console(highlight=False, stderr=err)
    return console if console.is_terminal else Console(highlight=False, stderr=err, width=10_000)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
    if isinstance(value, float):
        from layerwise.wording import number_words

        return number_words(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(_plain(cast(object, value)), ensure_ascii=False)
    return str(value)


def _plain(value: object) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")  # as over REST
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value) if not each.name.startswith("_")]
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if hasattr(value, "tolist"):  # a NumPy array
        return _plain(cast(Any, value).tolist())
    return value
