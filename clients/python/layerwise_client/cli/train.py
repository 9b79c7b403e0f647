"""`layerwise train`: train a version of a model on a table file or a built-in data set."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import combining, normalize

import click

from layerwise_client import datasets
from layerwise_client._data.encoder import spec_message
from layerwise_client._data.task import classifies
from layerwise_client.cli.chosen_settings import architecture_of, kind_of, naming_settings, plan_of, split_settings
from layerwise_client.cli.column_option import KINDS, read_columns
from layerwise_client.cli.findings import show_findings
from layerwise_client.cli.job_changes import read_labels
from layerwise_client.cli.live import display, upload_display
from layerwise_client.cli.options import MISSING_HELP, connect, json_option, rpc_option
from layerwise_client.cli.output import emit, epoch_of, facts, measured_on, say
from layerwise_client.cli.places import flag_of, reworded, told_by_row
from layerwise_client.cli.schema import show_schema
from layerwise_client.cli.settings import Sectioned, option, settings_options
from layerwise_client.cli.spec_file import read_spec
from layerwise_client.errors import InvalidRequest, NotFound
from layerwise_client.wording import source_words
from layerwise_proto.v1 import types_pb2

if TYPE_CHECKING:
    from layerwise_client.client import Client
    from layerwise_client.job import Job

_DATA, _COLUMNS, _JOB = "Data and model", "Columns of the file", "Job"
_HELD_OUT, _ENOUGH_TO_HOLD_OUT = 0.1, 50  # with --epochs or --max-steps; a tenth of fewer rows is too small a sample
Task = Literal["classification", "regression"]


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the options say of the columns of a file, and the encoder of the spec file."""

    target: str | None
    formats: Mapping[str, Any]
    encodings: Mapping[str, Any]
    ignore: tuple[str, ...]
    missing: tuple[str, ...]
    weights: str | None
    held_out: str | None
    encoder: Mapping[str, Any]

    def check_file(self) -> None:
        """Raise a usage error if the options do not fit each other."""
        if self.target is None:
            raise click.UsageError("give --target, the name of the column to predict")
        encoded: list[str] = [*(self.encoder.get("columns") or {}), *self.encodings, *self.formats]
        ignored: list[str] = [*(self.encoder.get("ignore") or ()), *self.ignore]
        if (both := next((name for name in ignored if name in encoded), None)) is not None:
            raise click.UsageError(f"column {both} is ignored and chosen by --column; leave out one of them")

    def check_built_in(self, source: str) -> None:
        """Raise a usage error if an option is given that is only for files."""
        given = {
            "--target": self.target,
            "--column": {**self.formats, **self.encodings},
            "--ignore": self.ignore,
            "--missing": self.missing,
            "--weights": self.weights,
            f"--validation {self.held_out}": self.held_out,
        }
        if (flag := next((option for option, value in given.items() if value), None)) is not None:
            raise click.UsageError(f"{flag} is for files, and {source} is a built-in data set; leave out {flag}")


@click.command(cls=Sectioned, short_help="Train a model on a table file or a built-in data set.")
@click.argument("source", metavar="FILE|DATASET")
@option(_DATA, "--target", metavar="COLUMN", help="Column to predict; needed for FILE.")
@option(
    _DATA,
    "--task",
    type=click.Choice(["classification", "regression"]),
    help="What to train.  [default: classification for text and few whole numbers, regression for other numbers]",
)
@option(_DATA, "--model", metavar="NAME", help="Model that gets a new version.  [default: the name of the file]")
@option(
    _DATA,
    "--start-from",
    metavar="MODEL[/VERSION]",
    help="Model, or version by number or alias, whose weights to start with.  [default: new random weights]",
)
@option(
    _DATA,
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help='JSON file with "architecture", "plan" and "encoder", or some of them; options override plan and encoder.',
)
@option(
    _COLUMNS,
    "--column",
    "--columns",
    "columns",
    multiple=True,
    metavar="NAME=KIND[:OPTION=VALUE,…]",
    help=f"What a column is, such as price=number:decimal=, or distance=log:missing=median; {KINDS}.  "
    "May be repeated.  [default: by its values]",
)
@option(_COLUMNS, "--ignore", multiple=True, metavar="NAME", help="Column to leave out; may be given several times.")
@option(_COLUMNS, "--missing", multiple=True, metavar="WORD", help=MISSING_HELP)
@option(_COLUMNS, "--weights", metavar="NAME", help="Column with the weight of each row in the loss, at least 0.")
@option(
    _JOB,
    "--label",
    "labels",
    multiple=True,
    callback=read_labels,
    metavar="NAME=VALUE",
    help="Label of the job, by which `jobs list` finds it; may be given several times.",
)
@option(_JOB, "--note", default="", metavar="TEXT", help="Note about the job.")
@option(
    _JOB,
    "--priority",
    type=click.IntRange(-10, 10),
    default=0,
    metavar="N",
    help="Of the jobs that wait, one overtakes 100 earlier ones for each point.  [default: 0]",
)
@settings_options
@click.option("--follow/--no-follow", default=True, help="Whether to follow the job until it ends.  [default: follow]")
@rpc_option
@json_option
def train(
    source: str,
    *,
    target: str | None,
    task: Task | None,
    model: str | None,
    start_from: str | None,
    spec: Path | None,
    columns: tuple[str, ...],
    ignore: tuple[str, ...],
    missing: tuple[str, ...],
    weights: str | None,
    labels: dict[str, str],
    note: str,
    priority: int,
    follow: bool,
    rpc: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a model on FILE, a table with a header, or on a built-in DATASET.

    FILE is CSV, JSON Lines or Parquet, also gzipped. Its columns may be numbers, texts and dates, with missing values;
    all but the target become inputs. What is doubtful is shown with the option that settles it.

    \b
    layerwise train digits --hidden 64,64 --epochs 30 --validation 0.1
    layerwise train flights.csv --target delay --task regression --column distance=log --ignore id
    layerwise train sales.csv --target sold --column 'price=number:decimal=,,thousands=.' --column day=date
    """
    network, given = split_settings(settings)
    if (loss := given.get("loss")) and task not in (None, _task(loss)):
        raise click.UsageError(f"--loss {loss} is for {_task(loss)}, not for --task {task}")
    parts = {} if spec is None else read_spec(spec)
    architecture = parts.get("architecture")
    if architecture is not None and network:
        flags = ", ".join(map(flag_of, network))
        raise click.UsageError(f"--spec has the architecture; leave out {flags}")
    if architecture is None:
        architecture = {} if start_from and not network else architecture_of(network)
    held_out = given.pop("validation") if isinstance(given.get("validation"), str) else None
    plan = plan_of(parts.get("plan") or {}, given)
    if held_out is not None:
        plan.pop("validation", None)
    task = task or _task(kind_of(plan.get("loss")))
    chosen = _Columns(target, *read_columns(columns), ignore, missing, weights, held_out, parts.get("encoder") or {})
    with connect(rpc) as client, naming_settings(settings, spec, parts):
        spec_message(architecture, types_pb2.Architecture, "architecture")  # before anything is sent
        spec_message(plan, types_pb2.Plan, "plan")
        path = Path(source)
        if not path.is_file() and source in datasets.names():
            chosen.check_built_in(source)
            X, y = datasets.load(source)
            if task == "regression" and y.dtype.kind == "U":
                raise click.UsageError(f"a regression needs a target of numbers; that of {source} is text")
            data: dict[str, Any] = {"X": X, "y": y.astype(float) if task == "regression" else y}
            name, rows = source, len(X)
        else:
            if not path.is_file():
                raise _nothing_there(source)
            chosen.check_file()
            with told_by_row(path.name):
                data = _sent(client, path, chosen, task, start_from) | {"task": task}
            name, rows = _model_name(path.stem), data["X"].rows
            if model is None and name != path.stem:
                say(f"model {name}, named after {path.name}; --model gives another name", err=True)
        if held_out is None and plan.keys() & {"epochs", "max_steps"} and rows >= _ENOUGH_TO_HOLD_OUT:
            plan.setdefault("validation", _HELD_OUT)
        with told_by_row(path.name):
            job = client.train(
                name if model is None else model,
                architecture,
                **data,
                plan=plan,
                start_from=start_from,
                progress=display() if follow else False,
                labels=labels,
                note=note,
                priority=priority,
            )
    _report(job, as_json)


def _sent(client: Client, path: Path, chosen: _Columns, task: Task | None, start_from: str | None) -> dict[str, Any]:
    """Send the file, show how it was read and what is found in it. Return the arguments of `Client.train` for it."""
    try:
        dataset = client.upload_dataset(
            path,
            columns={**(chosen.encoder.get("formats") or {}), **chosen.formats},
            gaps=chosen.missing,
            read_as=start_from,
            progress=upload_display(path),
        )
    except NotFound as exc:
        raise reworded(exc, "--start-from") from exc
    show_schema(dataset, chosen.target)
    marks = chosen.held_out if chosen.held_out in [column.name for column in dataset.columns] else None
    if marks and Path(marks).is_file():
        say(f"--validation {marks}: the column of {path.name}, not the file; ./{marks} means the file", err=True)
    unused = [*chosen.ignore, *(chosen.encoder.get("ignore") or ()), *filter(None, (chosen.weights, marks))]
    show_findings(dataset, chosen.target, task=task, ignore=unused)
    return {
        "X": dataset,
        "y": chosen.target,
        "columns": chosen.encodings,
        "ignore": chosen.ignore,
        "encoder": {name: value for name, value in chosen.encoder.items() if name != "formats"},
        "weights": chosen.weights,
        "validation": chosen.held_out,
    }


def _nothing_there(source: str) -> InvalidRequest:
    from layerwise.wording import did_you_mean

    known = ", ".join(datasets.names())
    near = did_you_mean(source, datasets.names())
    return InvalidRequest(
        f"there is no file {source} and no built-in data set of this name; the data sets are {known}{near}"
    )


def _task(loss: str | None) -> Task | None:
    """Return the task that a loss is for; None without a loss."""
    return None if loss is None else "classification" if classifies(loss) else "regression"


def _model_name(stem: str) -> str:
    """Return the name of the model of a file: in lower case, without accents, "-" for what no name may have."""
    plain = "".join(each for each in normalize("NFKD", stem.casefold()) if not combining(each))
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:63] or "model"


def _report(job: Job, as_json: bool) -> None:
    seen = job.snapshot
    if as_json:
        emit(seen)
    elif not seen.ended:
        if seen.source is not None:
            say(f"target {source_words(seen.source)}", err=True)
        facts({"job": seen.id, "model": seen.model, "state": seen.state, "follow": f"layerwise jobs watch {seen.id}"})
    else:
        record = seen.record
        shown = record.validation_metric if record and record.validation_metric is not None else None
        facts(
            {
                "model": seen.model,
                "version": seen.version,
                "epoch": epoch_of(seen),
                seen.metric or "metric": record and record.metric,
                f"validation {seen.metric}": shown,
                "measured on": measured_on(seen),
                "job": seen.id,
            }
        )
    sys.stdout.flush()
