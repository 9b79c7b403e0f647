"""`layerwise predict`: predictions for rows from a file, from a pipe or from the command line."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import click

from layerwise_client.cli.asking import Asking
from layerwise_client.cli.options import MISSING_HELP, connect, json_option, rest_option, rpc_option
from layerwise_client.cli.output import say
from layerwise_client.cli.places import told_by_row
from layerwise_client.cli.predictions import output
from layerwise_client.cli.score import Scoring
from layerwise_client.errors import InvalidRequest
from layerwise_client.prediction import PredictedRows
from layerwise_client.wording import counted, warning_line

if TYPE_CHECKING:
    from layerwise.tables import TableWarning


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
@click.option(
    "--keep",
    multiple=True,
    metavar="COLUMN",
    help="Column of FILE to write before the predictions, such as an id; may be given several times.",
)
@click.option("--probabilities", is_flag=True, help="Write the probability of each class, in a column named like it.")
@click.option(
    "--explain",
    is_flag=True,
    help="Write what each column contributes to the prediction, compared with an average row.",
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
    keep: tuple[str, ...],
    probabilities: bool,
    explain: bool,
    missing: tuple[str, ...],
    version: str | None,
    rpc: str,
    rest: str | None,
    as_json: bool,
) -> None:
    """Predict the rows of FILE, or those given by --row, with MODEL.

    FILE is a table (CSV, JSON Lines or Parquet, also gzipped), its columns in any order; "-" reads it from standard
    input. It is read as in the training of MODEL; columns that MODEL does not take are not used. The output is a table
    on a terminal, and CSV in a pipe.
    """
    if (file is None) == (not rows):
        raise click.UsageError("give either a FILE (or - for standard input) or --row")
    for option, given in (("--target", target is not None), ("--keep", bool(keep))):
        if given and rows:
            raise click.UsageError(f"{option} is a column of FILE: it cannot be given with --row")
    scoring, out = Scoring(), output(as_json=as_json, probabilities=probabilities)
    warnings: list[TableWarning] = []
    with connect(rpc, rest=rest) as client, ExitStack() as stack:
        if file is None:
            answer = Asking(client, model, version, missing, explain).about_rows(rows)
            blocks = iter([PredictedRows(answer, {})])
        else:
            path, name = stack.enter_context(_opened(file))
            stack.enter_context(told_by_row(name))
            blocks = client.predict_file(
                model, path, version=version, keep=keep, target=target, gaps=missing, explain=explain
            )
        for block in blocks:
            scoring.add(block)
            out.add(block)
            warnings = _merged(warnings, block.prediction.warnings)
            if block.unused:
                say(f"not used, since {model} does not take them: {', '.join(block.unused)}", err=True)
    if scoring.left_out:
        left_out = counted(scoring.left_out, "row without a target is", "rows without a target are")
        say(f"{left_out} left out of the score", err=True)
    for warning in warnings:
        say(warning_line(warning), err=True)
    out.end(scoring.score)


def _merged(warnings: Iterable[TableWarning], more: Iterable[TableWarning]) -> list[TableWarning]:
    from layerwise.tables.unusual import merged

    return merged([*warnings, *more])


@contextmanager
def _opened(file: str) -> Generator[tuple[Path, str]]:
    """Yield the path of a file, and its name for errors; standard input becomes a temporary file."""
    if file != "-":
        path = Path(file)
        if not path.is_file():
            raise InvalidRequest(f"there is no file {file}")
        yield path, path.name
        return
    with NamedTemporaryFile(prefix="layerwise-") as spooled:
        shutil.copyfileobj(sys.stdin.buffer, spooled)
        spooled.flush()
        yield Path(spooled.name), "standard input"
