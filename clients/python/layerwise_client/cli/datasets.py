"""`layerwise datasets`: list, show and export the data sets of the SDK; profile, list and delete those of the user."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from layerwise_client import datasets as built_in
from layerwise_client.cli.options import ListGroup, json_option
from layerwise_client.cli.output import emit, facts, say, table
from layerwise_client.cli.output_file import written_whole
from layerwise_client.cli.places import naming_parameters
from layerwise_client.cli.profile import profile
from layerwise_client.cli.stored_datasets import delete, stored
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import counted

if TYPE_CHECKING:
    import numpy as np


@click.group(cls=ListGroup, short_help="Look into tables; list, show and export the built-in data sets.")
def datasets() -> None:
    """Look into tables of your own, or list, show and export the built-in data sets; without a command, list them."""


for command in (profile, stored, delete):
    datasets.add_command(command)


@datasets.command("list", short_help="List all built-in data sets.")
@json_option
def list_datasets(as_json: bool) -> None:
    """List the built-in data sets."""
    found = [built_in.info(name) for name in built_in.names()]
    if as_json:
        emit(found)
    else:
        table(
            ("data set", "rows", "features", "classes", "what it is"),
            ((each.name, each.rows, len(each.columns), len(each.classes), each.title) for each in found),
        )


@datasets.command(short_help="Show a data set and its source.")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a data set: columns, rows of each class, citation, licence."""
    dataset = built_in.info(name)
    _, y = built_in.load(name)
    counts = Counter[object](y.tolist())
    if as_json:
        emit({"dataset": dataset, "rows_of_class": counts})
        return
    facts(
        {
            "data set": dataset.name,
            "what it is": dataset.title,
            "rows": f"{dataset.rows} by default" if dataset.generated else dataset.rows,
            "columns": ", ".join(dataset.columns),
            "target": dataset.target,
            "classes": ", ".join(f"{label} ({count})" for label, count in sorted(counts.items(), key=str)),
            "citation": dataset.citation or None,
            "licence": dataset.licence or None,
        }
    )


@datasets.command(short_help="Write a data set as CSV.")
@click.argument("name")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="File to write.  [default: stdout]"
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of rows of a generated data set.  [default: see `show`]",
)
@click.option(
    "--noise",
    type=click.FloatRange(min=0),
    metavar="DEVIATION",
    help="Standard deviation of the noise of a generated data set.  [default: see `show`]",
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Seed of a generated data set.  [default: 0]")
@json_option
def export(
    name: str,
    *,
    out: Path | None,
    force: bool,
    rows: int | None,
    noise: float | None,
    seed: int | None,
    as_json: bool,
) -> None:
    """Write a data set as CSV, with the target in the last column; with --json and without --out, as JSON."""
    dataset = built_in.info(name)
    with naming_parameters():
        X, y = built_in.load(name, rows=rows, noise=noise, seed=seed)
    columns = [*dataset.columns, dataset.target]
    lines = [[*(_short(value) for value in row), label] for row, label in zip(X, y.tolist(), strict=True)]
    if out is not None:
        if out.exists() and not force:
            raise InvalidRequest(f"{out} exists; --force overwrites it")
        with written_whole(out) as file:
            _write(file, columns, lines)
        if as_json:
            emit({"file": str(out), "rows": len(lines), "columns": columns})
        else:
            say(f"{out}: {counted(len(lines), 'row')}, target {dataset.target}")
    elif as_json:
        emit({"columns": columns, "rows": lines})
    else:
        _write(sys.stdout, columns, lines)


def _write(file: TextIO, columns: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)


def _short(value: np.float32) -> float | int:
    """Return a float32 with the fewest digits that identify it, a whole number as an int."""
    return int(value) if value.is_integer() else float(str(value))
