"""`layerwise predict`: what a model says of rows from a file, from a pipe or from the command line."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from layerwise_client.cli.asking import Asking, Truth
from layerwise_client.cli.csv_records import missing_cells, number_of
from layerwise_client.cli.options import MISSING_HELP, connect, json_option, rest_option, rpc_option
from layerwise_client.cli.output import emit, table
from layerwise_client.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy.typing as npt

    from layerwise_client.prediction import Prediction

_SHOWN = 20
_NAME = re.compile(r"-?0\d")  # 007 is another name than 7


@dataclass(frozen=True, slots=True)
class Score:
    """What predictions of `rows` rows are worth: by `name`, accuracy or r2, the `value`."""

    name: str
    value: float
    rows: int

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f} on {self.rows:,} rows"


@click.command(short_help="Ask a model about rows.")
@click.argument("model")
@click.argument("file", required=False)
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="1,2,…|COLUMN=VALUE,…",
    help="A row by itself, in the order of the model's columns or by their names; may be given several times.",
)
@click.option("--target", metavar="COLUMN", help="Column of FILE with the truth: left out, and compared with.")
@click.option("--missing", multiple=True, metavar="WORD", help=MISSING_HELP)
@click.option("--version", help="A version's number or an alias.  [default: the newest]")
@rpc_option
@rest_option
@json_option
def predict(
    model: str,
    file: str | None,
    *,
    rows: tuple[str, ...],
    target: str | None,
    missing: tuple[str, ...],
    version: str | None,
    rpc: str,
    rest: str | None,
    as_json: bool,
) -> None:
    """Ask MODEL about the rows of FILE, a CSV with a header as for training ("-" reads it from a pipe), or about --row.

    The columns of FILE may stand in any order. On a terminal prints a table, into a pipe CSV.
    """
    if (file is None) == (not rows):
        raise click.UsageError("give either a FILE (or -) or --row")
    if target is not None and rows:
        raise click.UsageError("--target names a column of a FILE")
    with connect(rpc, rest=rest) as client:
        asking = Asking(client, model, version, missing_cells(missing))
        if file is not None:
            answer, truth = _of_file(asking, file, target)
        else:
            answer, truth = asking.about_rows(rows), None
    score = _score(answer, truth) if truth is not None and truth.rows else None
    if truth is not None and truth.missing:
        click.echo(f"{truth.missing:,} rows without a target are left out of the score", err=True)
    if as_json:
        _emit(answer, score)
    elif sys.stdout.isatty():
        _tell(answer, score)
    else:
        _write(answer, score)


def _of_file(asking: Asking, file: str, target: str | None) -> tuple[Prediction, Truth | None]:
    if file == "-":
        return asking.about_file(sys.stdin.buffer, "standard input", target)
    path = Path(file)
    if not path.is_file():
        raise InvalidRequest(f"no file {file}")
    with path.open("rb") as data:
        return asking.about_file(data, path.name, target)


def _score(answer: Prediction, truth: Truth) -> Score:
    """What the predictions of the rows with a truth are worth: accuracy of labels, R² of values."""
    import numpy as np

    if answer.labels is not None:
        labels = map(_text, answer.labels[truth.rows].tolist())
        right = sum(map(_is_same, labels, truth.cells))
        return Score("accuracy", right / len(truth.rows), len(truth.rows))
    values = np.asarray(answer.values, dtype=np.float64)[truth.rows]
    true = truth.numbers()
    if values.ndim != 1:
        raise InvalidRequest(f"--target compares with one value a row; the model gives {values.shape[1]}")
    spread = float(np.sum((true - true.mean()) ** 2))
    r2 = 1.0 - float(np.sum((values - true) ** 2)) / spread if spread else float("nan")
    return Score("r2", r2, len(truth.rows))


def _is_same(label: str, cell: str) -> bool:
    """Whether the cell of a file is this label; of numbers, whatever way they are written: 1 is 1.0."""
    if label == cell:
        return True
    if number_of(label) is None or number_of(cell) is None or _NAME.match(label) or _NAME.match(cell):
        return False
    return Decimal(label) == Decimal(cell)  # exact, where float64 would take a long whole number for its neighbour


def _emit(answer: Prediction, score: Score | None) -> None:
    """The shape of the REST service's answer, and the score by its name."""
    said: dict[str, Any] = {"model": answer.model, "version": answer.version, "predictions": _said(answer)}
    if answer.probabilities is not None:
        said["probabilities"] = _short(answer.probabilities)
    if score is not None:
        said[score.name] = score.value
    emit(said, line=True)


def _tell(answer: Prediction, score: Score | None) -> None:
    rows = _lines(answer)
    click.echo(f"{answer.model} version {answer.version}")
    table(("row", *_columns(answer)), ((index, *row) for index, row in enumerate(rows[:_SHOWN], 1)))
    if len(rows) > _SHOWN:
        click.echo(f"… and {len(rows) - _SHOWN:,} more; all of them into a pipe, or with --json")
    if score is not None:
        click.echo(str(score))


def _write(answer: Prediction, score: Score | None) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_columns(answer))
    writer.writerows(_lines(answer))
    if score is not None:
        click.echo(str(score), err=True)


def _columns(answer: Prediction) -> tuple[str, ...]:
    if answer.labels is not None:
        return ("prediction",) if answer.probabilities is None else ("prediction", "probability")
    width = 1 if answer.values is None or answer.values.ndim == 1 else int(answer.values.shape[1])
    return ("prediction",) if width == 1 else tuple(f"prediction_{index}" for index in range(width))


def _lines(answer: Prediction) -> list[tuple[Any, ...]]:
    said = _said(answer)
    if answer.labels is None:
        return [tuple(cast("list[float]", each)) if isinstance(each, list) else (each,) for each in said]
    if answer.probabilities is None:
        return [(_text(label),) for label in said]
    surest = answer.probabilities.max(axis=1).tolist()
    return [(_text(label), f"{probability:.4f}") for label, probability in zip(said, surest, strict=True)]


def _said(answer: Prediction) -> list[Any]:
    if answer.labels is not None:
        return cast("list[Any]", answer.labels.tolist())
    return [] if answer.values is None else _short(answer.values)


def _short(values: npt.NDArray[Any]) -> list[Any]:
    """float32 numbers with the digits that they have, 0.1 and not 0.10000000149."""
    return cast("list[Any]", values.astype(str).astype(float).tolist())


def _text(label: object) -> str:
    """As JSON has it, and most CSV files: true, not True."""
    return str(label).lower() if isinstance(label, bool) else str(label)
