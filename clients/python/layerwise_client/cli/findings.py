"""What a quick look at a dataset finds before it is trained on, shown by `layerwise train`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
from click.core import ParameterSource

from layerwise_client.cli.output import say
from layerwise_client.dataset import Dataset
from layerwise_client.errors import LayerwiseError
from layerwise_client.profile import DatasetFinding
from layerwise_client.wording import dataset_finding_line


def show_findings(dataset: Dataset, target: str | None, *, task: str | None, ignore: Iterable[str]) -> None:
    """Print on stderr what is found, but what a doubt about a column says already, or what an option has settled.

    What cannot be found is left to the training, whose errors say more.
    """
    try:
        found = dataset.profile(target, task=task, ignore=ignore, quick=True).findings
    except LayerwiseError:
        return
    for finding in _unsettled(found, dataset):
        say(dataset_finding_line(finding), err=True)


def _unsettled(findings: Iterable[DatasetFinding], dataset: Dataset) -> Iterator[DatasetFinding]:
    doubted = {(doubt.reason, column.name) for column in dataset.columns for doubt in column.doubts}
    context = click.get_current_context()
    given = {
        option
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
        for option in parameter.opts
    }
    if given & {"--spec", "--start-from"}:
        given.add("--hidden")  # the network is not the default one
    for finding in findings:
        option = finding.flag.partition(" ")[0]
        by_column = option in ("--ignore", "--column")
        said = bool(finding.columns) and all((finding.reason, name) in doubted for name in finding.columns)
        if not said and (by_column or option not in given):
            yield finding
