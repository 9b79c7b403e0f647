"""What commands print on stdout: JSON, tables, facts."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from layerwise_client.results import Snapshot


def emit(value: object, *, line: bool = False) -> None:
    """`value` as JSON: dataclasses as objects, times as ISO 8601, what is not finite as null; in one `line` or many."""
    click.echo(json.dumps(_plain(value), indent=None if line else 2, ensure_ascii=False, allow_nan=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table, as wide as the terminal; into a pipe, as wide as its contents."""
    view = Table(box=box.SIMPLE_HEAD if _console().is_terminal else None, pad_edge=False)
    for column in columns:
        view.add_column(column)
    for row in rows:
        view.add_row(*(Text(_cell(value)) for value in row))  # Text: a label such as [b] is no markup
    _console().print(view)


def facts(pairs: Mapping[str, object]) -> None:
    """Names and values, one pair a line; None is left out."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        if value is not None:
            click.echo(f"{name.ljust(width)}  {_cell(value)}")


def epoch_of(job: Snapshot) -> str | None:
    """The epoch of a job's record, marked if the version has its weights; None without a record."""
    if job.record is None:
        return None
    return f"{job.record.epoch} (kept)" if job.version is not None and job.record.kept else str(job.record.epoch)


def measured_on(job: Snapshot) -> str | None:
    """Which rows the figures of a job's record are of, and how they count; None without a record."""
    if job.record is None:
        return None
    if job.record.validation_metric is None:
        rows = "the rows trained on; none were held out (--validation 0.1 measures on a tenth of the rows instead)"
    else:
        rows = "validation: the rows held out"
    return f"{rows}; rows count by class_weight" if job.plan.get("class_weight") else rows


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=10_000)


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
        return value.isoformat()
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
