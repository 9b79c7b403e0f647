"""`layerwise train`: a CSV file or a built-in data set becomes a version of a model."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from layerwise_client import datasets
from layerwise_client._expected import classifies
from layerwise_client.cli import csv_rows
from layerwise_client.cli.live import display
from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, facts
from layerwise_client.cli.settings import (
    Sectioned,
    architecture_of,
    kind_of,
    option,
    plan_of,
    settings_options,
    split_settings,
)
from layerwise_client.errors import InvalidRequest, JobFailed
from layerwise_proto.json_form import JSONFormError, to_message
from layerwise_proto.v1 import types_pb2

if TYPE_CHECKING:
    import numpy.typing as npt

    from layerwise_client.job import Job

_DATA = "Data and model"
_HELD_OUT, _ENOUGH_TO_HOLD_OUT = 0.1, 50  # of fewer rows a tenth says nothing


class _Data(NamedTuple):
    """Rows, labels or targets, the name for a model that has no other, and a column of another scale, if any."""

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    name: str
    unscaled: csv_rows.Scale | None = None


@click.command(cls=Sectioned, short_help="Train a model on a CSV file or a built-in data set.")
@click.argument("source", metavar="FILE|DATASET")
@option(_DATA, "--target", metavar="COLUMN", help="The column to predict. Whole numbers and text are classes.")
@option(_DATA, "--task", type=click.Choice(["classification", "regression"]), help="Take the target as this.")
@option(_DATA, "--model", metavar="NAME", help="Name of the model that gets a new version.  [default: the file's]")
@option(_DATA, "--start-from", metavar="MODEL[/VERSION]", help="Go on with the weights of this version.")
@option(
    _DATA,
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help='JSON with "architecture", "plan" or both, for all that can be set; options change the plan.',
)
@settings_options
@click.option("--follow/--no-follow", default=True, help="Stay until the job has ended.")
@rpc_option
@json_option
def train(
    source: str,
    *,
    target: str | None,
    task: csv_rows.Task | None,
    model: str | None,
    start_from: str | None,
    spec: Path | None,
    follow: bool,
    rpc: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Train a model on FILE, a CSV with a header whose columns but the target are numbers, or on a built-in DATASET.

    \b
    layerwise train digits --hidden 64,64 --epochs 30 --validation 0.1
    layerwise train flights.csv --target delay --task regression
    """
    network, given = split_settings(settings)
    if (loss := given.get("loss")) and task not in (None, _task(loss)):
        raise click.UsageError(f"--loss {loss} is for {_task(loss)}, not for --task {task}")
    architecture, plan = (None, {}) if spec is None else _read_spec(spec)
    if architecture is not None and network:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in network)
        raise click.UsageError(f"--spec has the architecture; leave out {flags}")
    if architecture is None:
        architecture = {} if start_from and not network else architecture_of(network)
    plan = plan_of(plan, given)
    data = _data(source, target, task or _task(kind_of(plan.get("loss"))))
    if _scales(architecture):
        data = data._replace(unscaled=None)
    if len(data.X) >= _ENOUGH_TO_HOLD_OUT:
        plan.setdefault("validation", _HELD_OUT)
    progress = display() if follow else False
    try:
        with connect(rpc) as client:
            job = client.train(
                model or data.name,
                architecture,
                data.X,
                data.y,
                plan=plan,
                start_from=start_from,
                progress=progress,
            )
    except JobFailed:
        _hint(data)
        raise
    _report(job, as_json)
    said = any(finding.kind == "inputs" for finding in job.snapshot.findings)
    if not said and not _scales(job.architecture):
        _hint(data)


def _task(loss: str | None) -> csv_rows.Task | None:
    """What a loss is for; None without one."""
    return None if loss is None else "classification" if classifies(loss) else "regression"


def _scales(architecture: Mapping[str, Any]) -> bool:
    """Whether a network brings its inputs to another scale itself."""
    return bool(architecture.get("input_scale", 1) != 1 or architecture.get("input_shift", 0))


def _read_spec(path: Path) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The architecture of a spec file, None without one, and its plan; an error names the file and the place in it."""
    try:
        spec: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise InvalidRequest(f"{path}: not JSON ({exc})") from exc
    if not isinstance(spec, dict) or not spec or spec.keys() - {"architecture", "plan"}:
        raise InvalidRequest(f'{path}: expected an object with "architecture", "plan" or both')
    parts = cast("dict[str, Any]", spec)
    try:
        for name, kind in (("architecture", types_pb2.Architecture), ("plan", types_pb2.Plan)):
            if parts.get(name) is not None:
                to_message(parts[name], kind, pointer=name)
    except JSONFormError as exc:
        raise InvalidRequest(f"{path}: {exc}", pointer=exc.pointer) from exc
    return parts.get("architecture"), parts.get("plan") or {}


def _data(source: str, target: str | None, task: csv_rows.Task | None) -> _Data:
    path = Path(source)
    if not path.is_file() and source in datasets.names():
        if target is not None:
            raise click.UsageError(f"{source} is a built-in data set and has its target; leave out --target")
        X, y = datasets.load(source)
        if task == "regression" and y.dtype.kind == "U":
            raise click.UsageError(f"the classes of {source} are text; a regression needs numbers")
        return _Data(X, y.astype(float) if task == "regression" else y, source)
    if not path.is_file():
        raise InvalidRequest(f"no file {source}, and no data set of that name: {', '.join(datasets.names())}")
    if target is None:
        raise click.UsageError("--target is missing: the name of the column to predict")
    with path.open("rb") as data:
        table = csv_rows.read(data, path.name, target=target)
    y = csv_rows.targets(table, task)
    what = "values" if y.dtype.kind == "f" else f"{len(set(y.tolist()))} classes"
    click.echo(f"target {target}: {what}", err=True)
    return _Data(table.X, y, _model_name(path.stem), csv_rows.unscaled(table))


def _hint(data: _Data) -> None:
    if data.unscaled is not None:
        column, mean, deviation = data.unscaled
        click.echo(
            f"hint: inputs are trained on as they are, not standardised: column {column} has mean {mean:.4g}, "
            f"standard deviation {deviation:.4g}; about 0 and 1 train better",
            err=True,
        )


def _model_name(stem: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:63] or "model"


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
                seen.metric or "metric": record and record.metric,
                f"validation {seen.metric}": shown,
                "job": seen.id,
            }
        )
    sys.stdout.flush()
