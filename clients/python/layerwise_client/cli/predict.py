"""`layerwise predict`: predictions for rows from a file, from a pipe or from the command line."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from layerwise_client.cli.asking import Asking, Truth
from layerwise_client.cli.csv_records import missing_cells, number_of
from layerwise_client.cli.options import MISSING_HELP, connect, json_option, rest_option, rpc_option
from layerwise_client.cli.other_files import check_is_csv
from layerwise_client.cli.output import emit, say, table
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import counted, warning_line

if TYPE_CHECKING:
    import numpy.typing as npt

    from layerwise_client.prediction import Prediction

_SHOWN = 20
_NOT_A_NUMBER = re.compile(r"-?0\d")  # 007 and 7 are different labels


@dataclass(frozen=True, slots=True)
class Score:
    """Score of the predictions of `rows` rows; `name` is accuracy or r2."""

    name: str
    value: float
    rows: int

    def __str__(self) -> str:
        from layerwise.wording import score_words

        return f"{self.name} {score_words(self.value)} on {counted(self.rows, 'row')}"


@click.command(short_help="Predict rows with a model.")
@click.argument("model")
@click.argument("file", required=False)
@click.option(
    "--row",
    "rows",
    multiple=True,
    metavar="1,2,…|COLUMN=VALUE,…",
    help="A row to predict, in the order of the model's columns or by column name; may be given several times.",
)
@click.option(
    "--target", metavar="COLUMN", help="Column of FILE with the true values, to compare the predictions with."
)
@click.option("--missing", multiple=True, metavar="WORD", help=MISSING_HELP)
@click.option("--version", metavar="VERSION", help="Version number or alias.  [default: the newest]")
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
    """Predict the rows of FILE, or those given by --row, with MODEL.

    FILE is a CSV file with a header, its columns in any order; "-" reads it from standard input. The output is a table
    on a terminal, and CSV in a pipe.
    """
    if (file is None) == (not rows):
        raise click.UsageError("give either a FILE (or - for standard input) or --row")
    if target is not None and rows:
        raise click.UsageError("--target is a column of FILE: it cannot be given with --row")
    with connect(rpc, rest=rest) as client:
        asking = Asking(client, model, version, missing_cells(missing))
        if file is not None:
            answer, truth = _of_file(asking, file, target)
        else:
            answer, truth = asking.about_rows(rows), None
    score = _score(answer, truth) if truth is not None and truth.rows else None
    if truth is not None and truth.missing:
        left_out = counted(truth.missing, "row without a target is", "rows without a target are")
        say(f"{left_out} left out of the score", err=True)
    for warning in answer.warnings:
        say(warning_line(warning), err=True)
    if as_json:
        _emit(answer, score)
    elif sys.stdout.isatty():
        _show(answer, score)
    else:
        _write(answer, score)


def _of_file(asking: Asking, file: str, target: str | None) -> tuple[Prediction, Truth | None]:
    if file == "-":
        return asking.about_file(sys.stdin.buffer, "standard input", target)
    path = Path(file)
    if not path.is_file():
        raise InvalidRequest(f"there is no file {file}")
    check_is_csv(path)
    with path.open("rb") as data:
        return asking.about_file(data, path.name, target)


def _score(answer: Prediction, truth: Truth) -> Score:
    """Return the score of the rows with a true value: accuracy for labels, R² for values."""
    import numpy as np

    if answer.labels is not None:
        labels = map(_text, answer.labels[truth.rows].tolist())
        right = sum(map(_is_same, labels, truth.cells))
        return Score("accuracy", right / len(truth.rows), len(truth.rows))
    values = np.asarray(answer.values, dtype=np.float64)[truth.rows]
    true = truth.numbers()
    if values.ndim != 1:
        raise InvalidRequest(f"--target: expected a model with one value a row, {answer.model} has {values.shape[1]}")
    spread = float(np.sum((true - true.mean()) ** 2))
    r2 = 1.0 - float(np.sum((values - true) ** 2)) / spread if spread else float("nan")
    return Score("r2", r2, len(truth.rows))


def _is_same(label: str, cell: str) -> bool:
    """Return whether the cell is this label. Numbers may be written differently, such as 1 and 1.0."""
    if label == cell:
        return True
    if number_of(label) is None or number_of(cell) is None or _NOT_A_NUMBER.match(label) or _NOT_A_NUMBER.match(cell):
        return False
    return Decimal(label) == Decimal(cell)  # exact: as float64, different long whole numbers could be equal


def _emit(answer: Prediction, score: Score | None) -> None:
    """Print the JSON that the REST service would answer, with the score."""
    content: dict[str, Any] = {"model": answer.model, "version": answer.version, "predictions": _predictions(answer)}
    if answer.probabilities is not None:
        content["probabilities"] = _short(answer.probabilities)
    if answer.warnings:
        content["warnings"] = [asdict(warning) for warning in answer.warnings]
    if score is not None:
        content[score.name] = score.value
    emit(content, line=True)


def _show(answer: Prediction, score: Score | None) -> None:
    rows = _lines(answer)
    say(f"{answer.model} version {answer.version}")
    table(("row", *_columns(answer)), ((index, *row) for index, row in enumerate(rows[:_SHOWN], 1)))
    if len(rows) > _SHOWN:
        say(f"… and {len(rows) - _SHOWN:,} more; a pipe or --json shows all")
    if score is not None:
        say(str(score))


def _write(answer: Prediction, score: Score | None) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_columns(answer))
    writer.writerows(_lines(answer))
    if score is not None:
        say(str(score), err=True)


def _columns(answer: Prediction) -> tuple[str, ...]:
    if answer.labels is not None:
        return ("prediction",) if answer.probabilities is None else ("prediction", "probability")
    width = 1 if answer.values is None or answer.values.ndim == 1 else int(answer.values.shape[1])
    return ("prediction",) if width == 1 else tuple(f"prediction_{index}" for index in range(width))


def _lines(answer: Prediction) -> list[tuple[Any, ...]]:
    found = _predictions(answer)
    if answer.labels is None:
        return [tuple(cast("list[float]", each)) if isinstance(each, list) else (each,) for each in found]
    if answer.probabilities is None:
        return [(_text(label),) for label in found]
    surest = answer.probabilities.max(axis=1).tolist()
    return [(_text(label), f"{probability:.4f}") for label, probability in zip(found, surest, strict=True)]


def _predictions(answer: Prediction) -> list[Any]:
    if answer.labels is not None:
        return cast("list[Any]", answer.labels.tolist())
    return [] if answer.values is None else _short(answer.values)


def _short(values: npt.NDArray[Any]) -> list[Any]:
    """Return float32 numbers with the fewest digits that identify them: 0.1 and not 0.10000000149."""
    return cast("list[Any]", values.astype(str).astype(float).tolist())


def _text(label: object) -> str:
    """Return the label as in JSON and most CSV files: true, not True."""
    return str(label).lower() if isinstance(label, bool) else str(label)
