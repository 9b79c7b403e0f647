"""`layerwise predict`: predictions for rows from a file, from a pipe or from the command line."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, TextIO

import click
from click.core import ParameterSource

from layerwise_client.cli.asking import Asking
from layerwise_client.cli.live import upload_display
from layerwise_client.cli.options import MISSING_HELP, connect, json_option, rest_option, rpc_option
from layerwise_client.cli.output import say
from layerwise_client.cli.output_file import check_ending, told_if_interrupted, written_whole
from layerwise_client.cli.places import told_by_row
from layerwise_client.cli.predictions import Output, Shown
from layerwise_client.cli.predictions import output as answers
from layerwise_client.cli.score import Scoring
from layerwise_client.errors import InvalidRequest
from layerwise_client.prediction import PredictedRows
from layerwise_client.wording import counted, warning_line

if TYPE_CHECKING:
    from layerwise.tables import TableWarning


@click.command(short_help="Predict rows with a model.")
@click.argument("model", metavar="MODEL[/VERSION]")
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
    "--top-k",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write the N most probable classes with their probabilities: top_1, top_1_probability and so on.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Write what each column contributes to the prediction, compared with an average row.",
)
@click.option("--missing", multiple=True, metavar="WORD", help=MISSING_HELP)
@click.option("--version", metavar="VERSION", help="Version number or alias.  [default: the newest]")
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="Write CSV, or JSON with --json, into FILE, packed if its name ends with .gz; - is stdout. FILE is replaced "
    "when all rows are predicted.",
)
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
    top_k: int | None,
    explain: bool,
    missing: tuple[str, ...],
    version: str | None,
    output: Path | None,
    rpc: str,
    rest: str | None,
    as_json: bool,
) -> None:
    """Predict the rows of FILE, or those given by --row, with MODEL, or one of its versions: iris/3, iris/champion.

    FILE is a table (CSV, JSON Lines or Parquet, also gzipped), its columns in any order, or an array that np.save
    wrote; "-" reads it from standard input. It is read as in the training of MODEL; columns that MODEL does not take
    are not used. The output is a table on a terminal, and CSV in a pipe.
    """
    if (file is None) == (not rows):
        raise click.UsageError("give either a FILE (or - for standard input) or --row")
    for option, given in (("--target", target is not None), ("--keep", bool(keep))):
        if given and rows:
            raise click.UsageError(f"{option} is a column of FILE: it cannot be given with --row")
    # that of the environment is for other calls of the command, too
    if file is not None and click.get_current_context().get_parameter_source("rest") is ParameterSource.COMMANDLINE:
        raise click.UsageError("--rest is for --row: a FILE is sent over gRPC, to --rpc")
    if probabilities and top_k:
        raise click.UsageError("give either --probabilities or --top-k")
    model, slash, own = model.partition("/")
    if slash:
        if version not in (None, own):
            raise click.UsageError(f"expected one version, got {model}/{own} and --version {version}")
        version = own
    shown = Shown(all_classes=probabilities, top_k=top_k or 0)
    begun = time.monotonic()
    with connect(rpc, rest=rest if file is None else None) as client, ExitStack() as stack:
        result = stack.enter_context(_opened_output(output, file, as_json=as_json))
        if file is None:
            answer = Asking(client, model, version, missing, explain).about_rows(rows)
            blocks = iter([PredictedRows(answer, {})])
        else:
            path, name = stack.enter_context(_opened(file))
            stack.enter_context(told_by_row(name))
            blocks = client.predict_file(
                model,
                path,
                version=version,
                keep=keep,
                target=target,
                gaps=missing,
                explain=explain,
                progress=upload_display(path, name),
            )
        count = _write(blocks, answers(shown, as_json=as_json, file=result), model)
    if output is not None and result is not sys.stdout:
        seconds = time.monotonic() - begun
        say(f"{output}: {counted(count, 'row')} in {seconds:.1f} s, {count / seconds:,.0f} rows/s", err=True)


def _write(blocks: Iterable[PredictedRows], out: Output, model: str) -> int:
    """Write blocks as they come, say on stderr what is to be known about them, and return the number of rows."""
    scoring, count = Scoring(), 0
    warnings: list[TableWarning] = []
    for block in blocks:
        scoring.add(block)
        out.add(block)
        warnings = _merged(warnings, block.prediction.warnings)
        if block.unused:
            say(f"not used, since {model} does not take them: {', '.join(block.unused)}", err=True)
        count += len(block)
    if scoring.left_out:
        left_out = counted(scoring.left_out, "row without a target is", "rows without a target are")
        say(f"{left_out} left out of the score", err=True)
    for warning in warnings:
        say(warning_line(warning), err=True)
    out.end(scoring.score)
    return count


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


@contextmanager
def _opened_output(output: Path | None, file: str | None, *, as_json: bool) -> Generator[TextIO | None]:
    """Yield where to write: the file `output`, stdout, or None if it was not said."""
    if output is None or str(output) == "-":
        yield None if output is None else sys.stdout
        return
    if file is not None and output.exists() and Path(file).exists() and output.samefile(file):
        raise InvalidRequest(f"--output: {output} is the file to predict")
    check_ending(output, as_json=as_json)
    with told_if_interrupted(output), written_whole(output) as stream:
        yield stream
