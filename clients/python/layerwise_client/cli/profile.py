"""`layerwise datasets profile`: what the columns of a table hold, and what to know before training on it."""

from __future__ import annotations

import re
from pathlib import Path

import click

from layerwise_client._data.task import TASKS
from layerwise_client.cli.options import Choice, connect, json_option, rpc_option
from layerwise_client.cli.output import emit, say, table
from layerwise_client.cli.places import told_by_row
from layerwise_client.client import Client
from layerwise_client.dataset import Dataset
from layerwise_client.errors import InvalidRequest
from layerwise_client.profile import ColumnProfile, Profile
from layerwise_client.wording import counted, dataset_finding_line

_ID = re.compile("[0-9a-f]{64}")
_MOST_TOP = 3
_FREQUENT = 0.01  # the share of rows from which on a number is worth showing


@click.command(short_help="Show what the columns of a table hold, and what to know before training.")
@click.argument("source", metavar="FILE|ID")
@click.option("--target", metavar="COLUMN", help="Column to predict: findings about it, and what gives it away.")
@click.option("--task", type=Choice(list(TASKS)), help="What the target is taken for.  [default: by its values]")
@click.option("--validation", metavar="FILE|ID", help="Rows for validation: are they among the others, too?")
@click.option("--ignore", multiple=True, metavar="NAME", help="Column to leave out; may be given several times.")
@rpc_option
@json_option
def profile(
    source: str,
    *,
    target: str | None,
    task: str | None,
    validation: str | None,
    ignore: tuple[str, ...],
    rpc: str,
    as_json: bool,
) -> None:
    """Show what the columns of FILE hold, or of a dataset in the service by its ID, and what to know before training.

    \b
    layerwise datasets profile flights.csv --target delay
    """
    with connect(rpc) as client:
        dataset = _dataset(client, source)
        held_out = None if validation is None else _dataset(client, validation)
        found = dataset.profile(target, task=task, validation=held_out, ignore=ignore)
    if as_json:
        emit(found)
    else:
        _show(found)


def _dataset(client: Client, source: str) -> Dataset:
    """Return the dataset with this id, or that of a file, which the service forgets after a day."""
    if Path(source).is_file():
        with told_by_row(Path(source).name):
            return client.upload_dataset(source, transient=True)
    if not _ID.fullmatch(source):
        raise InvalidRequest(f"there is no file {source}, and an id has 64 hexadecimal digits")
    return client.dataset(source)


def _show(found: Profile) -> None:
    looked_at = "" if found.sampled_rows == found.rows else f", {found.sampled_rows:,} of them looked at"
    say(f"{counted(found.rows, 'row')}{looked_at}, {counted(len(found.columns), 'column')}")
    table(
        ("column", "kind", "gaps", "distinct", "values"),
        ((each.name, each.kind, f"{each.gaps:,}", f"{each.distinct:,}", _values(each)) for each in found.columns),
    )
    if numbers := [each for each in found.columns if each.numbers is not None]:
        table(
            ("column", "minimum", "5 %", "25 %", "median", "75 %", "95 %", "maximum", "mean", "deviation"),
            ((each.name, *_numbers(each)) for each in numbers),
        )
    if found.task is not None:
        say(f"{found.target} is for {found.task}: {found.why}")
    for finding in found.findings:
        say(f"- {dataset_finding_line(finding)}")
    if not found.findings:
        say("nothing found that one should know before training")


def _values(column: ColumnProfile) -> str:
    """Return the most frequent values of a column, its dates, or the lengths of its texts."""
    if column.dates is not None:
        return f"{column.dates.first} to {column.dates.last}"
    if column.kind != "text" and column.top and (column.kind != "number" or column.top[0].share > _FREQUENT):
        shown = [f"{each.value} ({100 * each.share:.3g} %)" for each in column.top[:_MOST_TOP]]
        return ", ".join(shown) + (", …" if column.distinct > len(shown) else "")
    if column.lengths is not None:
        return f"{column.lengths.shortest} to {column.lengths.longest} characters"
    return ""


def _numbers(column: ColumnProfile) -> tuple[float, ...]:
    own = column.numbers
    assert own is not None
    return (own.minimum, own.q05, own.q25, own.median, own.q75, own.q95, own.maximum, own.mean, own.deviation)
