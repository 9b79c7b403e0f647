"""`layerwise train`: a CSV file or a built-in data set becomes a version of a model."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from layerwise_client import datasets
from layerwise_client.cli import csv_rows
from layerwise_client.cli.live import display
from layerwise_client.cli.options import connect, json_option, rpc_option
from layerwise_client.cli.output import emit, facts
from layerwise_client.errors import InvalidRequest, JobFailed

if TYPE_CHECKING:
    import numpy.typing as npt

    from layerwise_client.job import Job

_ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu", "leaky_relu", "prelu", "maxout")
_TASKS = {"softmax_cross_entropy": "classification", "hinge": "classification", "squared_error": "regression"}
_HIDDEN = (64,)
_HELD_OUT, _ENOUGH_TO_HOLD_OUT = 0.1, 50  # of fewer rows a tenth says nothing


class _Data(NamedTuple):
    """Rows, labels or targets, the name for a model that has no other, and a column of another scale, if any."""

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    name: str
    unscaled: csv_rows.Scale | None = None


@click.command(short_help="Train a model on a CSV file or a built-in data set.")
@click.argument("source", metavar="FILE|DATASET")
@click.option("--target", metavar="COLUMN", help="The column to predict. Whole numbers and text are classes.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Take the target as this.")
@click.option("--model", metavar="NAME", help="Name of the model that gets a new version.  [default: the file's]")
@click.option("--hidden", metavar="UNITS,…", help="Units of the hidden layers, or 0 for none.  [default: 64]")
@click.option("--activation", type=click.Choice(_ACTIVATIONS), help="Of the hidden layers.  [default: relu]")
@click.option("--dropout", type=float, metavar="FRACTION", help="Dropped of each hidden layer's outputs.")
@click.option("--loss", type=click.Choice(list(_TASKS)), help="Without it, the target's type decides.")
@click.option("--optimizer", type=click.Choice(["adam", "sgd"]), help="[default: adam]")
@click.option("--learning-rate", type=float, metavar="RATE")
@click.option("--momentum", type=float, metavar="FRACTION", help="Of sgd.")
@click.option("--l2", type=float, metavar="STRENGTH", help="Penalty on the squared weights.")
@click.option("--batch-size", type=int, metavar="ROWS")
@click.option("--epochs", type=int)
@click.option("--validation", type=float, metavar="FRACTION", help="Rows held out to measure on.  [default: 0.1]")
@click.option("--seed", type=int, help="Starts every random choice.")
@click.option(
    "--spec",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help='JSON with "architecture" and "plan"; options change the plan.',
)
@click.option("--follow/--no-follow", default=True, help="Stay until the job has ended.")
@rpc_option
@json_option
def train(
    source: str,
    *,
    target: str | None,
    task: csv_rows.Task | None,
    model: str | None,
    hidden: str | None,
    activation: str | None,
    dropout: float | None,
    loss: str | None,
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
    if loss is not None and task not in (None, _TASKS[loss]):
        raise click.UsageError(f"--loss {loss} is for {_TASKS[loss]}, not for --task {task}")
    architecture, plan = _read_spec(spec) if spec else ({}, {})
    if spec is None:
        architecture = _architecture(hidden, activation, dropout)
    elif any(option is not None for option in (hidden, activation, dropout)):
        raise click.UsageError("--spec has the architecture; leave out --hidden, --activation and --dropout")
    plan = _plan(plan, loss=loss, **settings)
    task = task or _TASKS.get(str(plan.get("loss")))  # type: ignore[assignment]
    data = _data(source, target, task)
    if len(data.X) >= _ENOUGH_TO_HOLD_OUT:
        plan.setdefault("validation", _HELD_OUT)
    progress = display() if follow else False
    try:
        with connect(rpc) as client:
            job = client.train(model or data.name, architecture, data.X, data.y, plan=plan, progress=progress)
    except JobFailed:
        _hint(data)
        raise
    _report(job, as_json)
    _hint(data)


def _architecture(hidden: str | None, activation: str | None, dropout: float | None) -> dict[str, Any]:
    try:
        units = _HIDDEN if hidden is None else tuple(int(each) for each in hidden.split(","))
    except ValueError as exc:
        raise click.BadParameter(f"expected whole numbers such as 64,64, got {hidden}", param_hint="--hidden") from exc
    layer: dict[str, Any] = {"activation": activation or "relu"}
    if dropout is not None:
        layer["dropout"] = dropout
    output: dict[str, Any] = {}  # linear; how many units it needs, the data says
    return {"layers": [*({"units": each, **layer} for each in units if units != (0,)), output]}


def _plan(
    spec: dict[str, Any], *, optimizer: str | None, learning_rate: float | None, momentum: float | None, **settings: Any
) -> dict[str, Any]:
    """The plan of the spec file, with what the options say in its place."""
    plan = spec | {name: value for name, value in settings.items() if value is not None}
    rates = {"learning_rate": learning_rate, "momentum": momentum}
    given = {name: value for name, value in rates.items() if value is not None}
    if optimizer or given:
        before = plan.get("optimizer") or "adam"
        if isinstance(before, str):
            before = {"kind": before}
        if optimizer not in (None, before.get("kind")):
            before = {"kind": optimizer}
        if momentum is not None and before.get("kind") != "sgd":
            raise click.UsageError(f"--momentum is of --optimizer sgd; the optimizer is {before.get('kind')}")
        plan["optimizer"] = before | given
    return plan


def _read_spec(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        spec: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise InvalidRequest(f"{path}: not JSON ({exc})") from exc
    if not isinstance(spec, dict) or "architecture" not in spec or spec.keys() - {"architecture", "plan"}:
        raise InvalidRequest(f'{path}: expected an object with "architecture" and, if wanted, "plan"')
    parts = cast("dict[str, Any]", spec)
    plan: object = parts.get("plan") or {}
    if not isinstance(plan, dict):
        raise InvalidRequest(f"{path}: plan: expected an object")
    return parts["architecture"], cast("dict[str, Any]", plan)


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
