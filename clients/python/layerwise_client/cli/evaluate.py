"""`layerwise evaluate`: how good versions are on the rows of a file, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, say, table
from layerwise_client.cli.places import told_by_row
from layerwise_client.evaluation import VersionEvaluation
from layerwise_client.wording import counted


@click.command(short_help="Evaluate versions on the rows of a file.")
@click.argument("versions", nargs=-1, required=True, metavar="MODEL[/VERSION]…")
@click.argument("file", type=click.Path())
@click.option(
    "--target", metavar="COLUMN", help="Column of FILE with the true values.  [default: the one of the training]"
)
@rpc_option
@json_option
def evaluate(versions: tuple[str, ...], file: str, *, target: str | None, rpc: str, as_json: bool) -> None:
    """Evaluate one or several versions on the rows of FILE, which must have the true values in a column.

    FILE is sent as it is: CSV, JSON Lines or Parquet, also compressed by gzip. Its cells are read as in the training of
    the first version. Of several versions, each is compared with the first on the same rows.
    """
    with connect(rpc) as client, told_by_row(Path(file).name):
        found = client.evaluate(versions, file, target)
    if as_json:
        emit([_plain(each) for each in found])
        return
    if (left := found[0].without_target) > 0:
        say(f"{counted(left, 'row')} without a value in {found[0].target}: left out", err=True)
    for each in found:
        say(f"{each.model}/{each.version} on {file}")
        for line in str(each.evaluation).split("\n"):
            say(line)
        say("")
    if len(found) > 1:
        _print_comparison(found)


def _print_comparison(found: tuple[VersionEvaluation, ...]) -> None:
    rows = [
        (f"{each.model}/{each.version}", _score(each), "–" if each.difference is None else str(each.difference))
        for each in found
    ]
    name = "accuracy" if found[0].evaluation.accuracy is not None else "R²"
    table(("version", name, f"difference from {found[0].model}/{found[0].version}"), rows)


def _score(each: VersionEvaluation) -> str:
    from layerwise.wording import score_words

    evaluation = each.evaluation
    score = evaluation.accuracy if evaluation.mean is None else evaluation.mean.r2
    return "–" if score is None else score_words(score)


def _plain(each: VersionEvaluation) -> dict[str, object]:
    return {
        "model": each.model,
        "version": each.version,
        "target": each.target,
        "without_target": each.without_target,
        "evaluation": each.evaluation.to_json(),
        "difference": each.difference,
    }
