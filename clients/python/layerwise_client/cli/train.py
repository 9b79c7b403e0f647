"""`layerwise train`: train a version of a model on a CSV file or a built-in data set."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unicodedata import combining, normalize

import click

from layerwise_client import datasets
from layerwise_client._data.encoder import spec_message
from layerwise_client._data.task import classifies
from layerwise_client.cli import csv_table
from layerwise_client.cli.chosen_settings import architecture_of, kind_of, naming_settings, plan_of, split_settings
from layerwise_client.cli.csv_records import missing_cells
from layerwise_client.cli.csv_table import told_by_line
from layerwise_client.cli.csv_target import Task
from layerwise_client.cli.live import display
from layerwise_client.cli.options import MISSING_HELP, connect, json_option, rpc_option
from layerwise_client.cli.other_files import check_is_csv
from layerwise_client.cli.output import emit, epoch_of, facts, measured_on, say
from layerwise_client.cli.places import flag_of
from layerwise_client.cli.settings import Sectioned, names_of, option, settings_options
from layerwise_client.cli.spec_file import read_spec
from layerwise_client.errors import InvalidRequest
from layerwise_client.wording import counted
from layerwise_proto.v1 import tables_pb2, types_pb2

if TYPE_CHECKING:
    from layerwise_client.job import Job

_DATA, _COLUMNS = "Data and model", "Columns of the file"
_ENCODINGS = names_of(tables_pb2.Encoder.ColumnsEntry.DESCRIPTOR, "value")
_LARGE = 8 << 20  # bytes of a file that takes a second or more to read
_HELD_OUT, _ENOUGH_TO_HOLD_OUT = 0.1, 50  # with --epochs or --max-steps; a tenth of fewer rows is too small a sample


class _Data(NamedTuple):
    """Rows and labels or targets as `Client.train` takes them, and the model's name if --model is not given."""

    X: Any
    y: Any
    name: str
    rows: int
    file: csv_table.CsvTraining | None = None


class _Reading(NamedTuple):
    """How a file is read."""

    target: str | None
    task: Task | None
    missing: tuple[str, ...]
    drop: bool
    encoder: Mapping[str, Any]
    start_from: str | None

    @property
    def option_of_files(self) -> str | None:
        """The first given option that is only for files."""
        given = {
            "--target": self.target,
            "--columns": self.encoder.get("columns"),
            "--ignore": self.encoder.get("ignore"),
            "--missing": self.missing,
            "--drop-missing-target": self.drop,
        }
        return next((option for option, value in given.items() if value), None)


@click.command(cls=Sectioned, short_help="Train a model on a CSV file or a built-in data set.")
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
    "--columns",
    multiple=True,
    metavar="COLUMN=KIND",
    help=f"Encoding of a column: {', '.join(_ENCODINGS)}.  May be repeated.  [default: by its values]",
)
@option(_COLUMNS, "--ignore", multiple=True, metavar="COLUMN", help="Column to leave out; may be given several times.")
@option(_COLUMNS, "--missing", multiple=True, metavar="WORD", help=MISSING_HELP)
@option(
    _COLUMNS, "--drop-missing-target", is_flag=True, help="Leave out rows without a target.  [default: refuse them]"
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
    drop_missing_target: bool,
    follow: bool,
    rpc: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a model on FILE, a CSV file with a header, or on a built-in DATASET.

    The columns of FILE may be numbers, texts and dates, with missing values; all but the target become inputs.

    \b
    layerwise train digits --hidden 64,64 --epochs 30 --validation 0.1
    layerwise train flights.csv --target delay --task regression --columns distance=log --ignore id
    """
    network, given = split_settings(settings)
    if (loss := given.get("loss")) and task not in (None, _task(loss)):
        raise click.UsageError(f"--loss {loss} is for {_task(loss)}, not for --task {task}")
    parts = {} if spec is None else read_spec(spec)
    architecture, encoder = parts.get("architecture"), _encoder(parts.get("encoder") or {}, columns, ignore)
    if architecture is not None and network:
        flags = ", ".join(map(flag_of, network))
        raise click.UsageError(f"--spec has the architecture; leave out {flags}")
    if architecture is None:
        architecture = {} if start_from and not network else architecture_of(network)
    plan = plan_of(parts.get("plan") or {}, given)
    reading = _Reading(
        target, task or _task(kind_of(plan.get("loss"))), missing, drop_missing_target, encoder, start_from
    )
    options = settings | {"columns": columns, "ignore": ignore}
    with connect(rpc) as client, naming_settings(options, spec, parts):
        spec_message(architecture, types_pb2.Architecture, "architecture")  # before the file is read
        spec_message(plan, types_pb2.Plan, "plan")
        data = _data(source, reading)
        if model is None and data.file is not None and data.name != Path(source).stem:
            say(f"model {data.name}, named after {data.file.file.name}; --model gives another name", err=True)
        if plan.keys() & {"epochs", "max_steps"} and data.rows >= _ENOUGH_TO_HOLD_OUT:
            plan.setdefault("validation", _HELD_OUT)
        with told_by_line(data.file):
            job = client.train(
                data.name if model is None else model,
                architecture,
                data.X,
                data.y,
                encoder=encoder or None,
                plan=plan,
                start_from=start_from,
                progress=display() if follow else False,
            )
    _report(job, as_json)


def _task(loss: str | None) -> Task | None:
    """Return the task that a loss is for; None without a loss."""
    return None if loss is None else "classification" if classifies(loss) else "regression"


def _encoder(spec: Mapping[str, Any], columns: Sequence[str], ignore: Sequence[str]) -> dict[str, Any]:
    """Return the encoder `spec`, overridden by the options for columns."""
    encodings = dict(spec.get("columns") or {})
    for each in columns:
        name, equals, kind = each.rpartition("=")
        if not equals or kind not in _ENCODINGS:
            wanted = f"COLUMN=KIND, KIND one of {', '.join(_ENCODINGS)}"
            raise click.BadParameter(f"expected {wanted}, got {each}", param_hint="--columns")
        encodings[name] = kind
    ignored = [*(spec.get("ignore") or ()), *ignore]
    if (both := next((name for name in ignored if name in encodings), None)) is not None:
        raise click.UsageError(f"column {both} is ignored and has an encoding; leave out one of them")
    encoder = {**spec, "columns": encodings, "ignore": ignored}
    return {name: value for name, value in encoder.items() if value}


def _data(source: str, reading: _Reading) -> _Data:
    path = Path(source)
    if not path.is_file() and source in datasets.names():
        if (option := reading.option_of_files) is not None:
            raise click.UsageError(f"{option} is for files, and {source} is a built-in data set; leave out {option}")
        X, y = datasets.load(source)
        if reading.task == "regression" and y.dtype.kind == "U":
            raise click.UsageError(f"a regression needs a target of numbers; that of {source} is text")
        return _Data(X, y.astype(float) if reading.task == "regression" else y, source, len(X))
    if not path.is_file():
        from layerwise.wording import did_you_mean

        known = ", ".join(datasets.names())
        raise InvalidRequest(
            f"there is no file {source} and no built-in data set of this name; the data sets are {known}"
            f"{did_you_mean(source, datasets.names())}"
        )
    if reading.target is None:
        raise click.UsageError("give --target, the name of the column to predict")
    check_is_csv(path)
    encodings, ignored = reading.encoder.get("columns", {}), reading.encoder.get("ignore", ())
    if path.stat().st_size > _LARGE:
        say(f"reading {path.name} …", err=True)
    file = csv_table.open_file(
        path,
        target=reading.target,
        task=reading.task,
        drop=reading.drop,
        missing=missing_cells(reading.missing),
        encodings=encodings,
        ignored=ignored,
        inferred=reading.start_from is None and reading.encoder.get("rest") != "ignore",
    )
    if file.dropped:
        left_out = counted(file.dropped, "row without a target is", "rows without a target are")
        say(f"{left_out} left out, {file.table.count:,} remain", err=True)
    what = "values" if file.classes is None else counted(file.classes, "class", "classes")
    say(f"target {reading.target}: {what}", err=True)
    return _Data(file.table, file.targets, _model_name(path.stem), file.table.count, file)


def _model_name(stem: str) -> str:
    """Return the name of the model of a file: in lower case, without accents, "-" for what no name may have."""
    plain = "".join(each for each in normalize("NFKD", stem.casefold()) if not combining(each))
    return re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:63] or "model"


def _report(job: Job, as_json: bool) -> None:
    seen = job.snapshot
    if as_json:
        emit(seen)
    elif not seen.ended:
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
