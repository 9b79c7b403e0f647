"""`layerwise datasets stored` and `delete`: the datasets of the service."""

from __future__ import annotations

import click

from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, say, table
from layerwise_client.dataset import Dataset

_LISTED = 20


@click.command(short_help="List the datasets of the service, newest first.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Number of datasets to list at most.  [default: {_LISTED}, with --json all]",
)
@rpc_option
@json_option
def stored(limit: int | None, rpc: str, as_json: bool) -> None:
    """List the datasets of the service, made of files and tables, newest first. `datasets profile ID` describes one.

    A line on stderr says if there are more.
    """
    if limit is None and not as_json:
        limit = _LISTED
    with connect(rpc) as client:
        found = list(client.datasets(limit=None if limit is None else limit + 1))
    listed = found[:limit]
    if as_json:
        emit([_fields(dataset) for dataset in listed])
    else:
        table(("dataset", "name", "rows", "columns", "size", "created"), map(_line, listed))
    if len(found) > len(listed):
        say(f"there are more: --limit {2 * len(listed)} lists more of them, --json all", err=True)


@click.command(short_help="Delete a dataset of the service.")
@click.argument("dataset", metavar="ID")
@rpc_option
@json_option
def delete(dataset: str, rpc: str, as_json: bool) -> None:
    """Delete a dataset, unless a job trains on it. What was trained on it stays."""
    with connect(rpc) as client:
        found = client.dataset(dataset)
        found.delete()
    if as_json:
        emit(_fields(found))
    else:
        say(f"deleted {found.id}{f', {found.name}' if found.name else ''}")


def _fields(dataset: Dataset) -> dict[str, object]:
    names = ("id", "name", "rows", "column_count", "size_bytes", "file_sha256", "created", "transient")
    return {name: getattr(dataset, name) for name in names}


def _line(dataset: Dataset) -> tuple[object, ...]:
    size = f"{dataset.size_bytes / 1e6:,.1f} MB"
    return dataset.id, dataset.name or "-", f"{dataset.rows:,}", dataset.column_count, size, dataset.created
