"""Starting a training on rows, on a dataset or on a file. The answer is the accepted job."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from layerwise_client._data.dataset_job import open_dataset_job
from layerwise_client._data.encoder import open_encoder
from layerwise_client._data.file_header import open_file_header, open_path
from layerwise_client._data.held_out import about_validation, open_parts, parts_of
from layerwise_client._data.json_lines import write_json_lines
from layerwise_client._data.names import target_name
from layerwise_client._data.places import ALL_ROWS, Steps, invalid, placed
from layerwise_client._data.tables import is_table
from layerwise_client._data.task import check_task, task_classifies
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.send_file import send_file
from layerwise_client._transport.upload import FITTING_SECONDS, submit
from layerwise_client.dataset import Dataset, dataset_of
from layerwise_client.errors import InvalidRequest
from layerwise_client.progress import Progress
from layerwise_proto.v1 import tables_pb2, training_pb2

if TYPE_CHECKING:
    from layerwise_proto.json_form import HasJSONForm

_ARGUMENTS = {
    "target": "y",
    "weight": "weights",
    "dataset": "X",
    "validation_dataset": "validation",
    "validation_column": "validation",
}
"""The arguments of `Client.train` by the names that the service has for them."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What to train on: the arguments of `Client.train` of the same names."""

    X: object
    y: object
    columns: Mapping[str, Any] | None
    ignore: Iterable[str]
    encoder: Mapping[str, Any] | HasJSONForm | None
    weights: object
    task: str | None
    validation: object


def start(connection: Connection, header: training_pb2.TrainHeader, given: Rows, display: Progress) -> training_pb2.Job:
    """Return the job, once the service has what it needs. Raises `InvalidRequest`."""
    check_task(given.task)
    if isinstance(given.validation, int | float) and not isinstance(given.validation, bool):
        given = _with_share(given, header, given.validation)
    loss = header.plan.loss.WhichOneof("kind")
    encoder = open_encoder(given.encoder, given.columns, given.ignore)
    if (dataset := _dataset(connection, given, header, encoder, display)) is not None:
        request = open_dataset_job(
            header, dataset, target_name(given.y) or given.y, encoder=encoder, weights=given.weights, task=given.task
        )
        if given.validation is not None:
            _hold_out(connection, request, dataset, given.validation, display)
        return _created(connection, request, dataset, given.columns or {})
    parts = open_parts(
        given.X,
        given.y,
        given.weights,
        given.validation,
        encoder=encoder,
        loss=loss,
        classification=True if header.HasField("classes") else task_classifies(given.task, loss),
        fitted=header.HasField("start_from"),
    )
    if is_table(given.X) and not header.HasField("start_from"):
        # a table to predict may still have these columns, as a file may
        named = filter(None, map(target_name, (given.y, given.validation)))
        encoder.ignore.extend(name for name in named if name not in encoder.ignore)
    if encoder.ByteSize():
        header.encoder.CopyFrom(encoder)
    header.rows = sum(part.count for part in parts)
    header.held_out = sum(part.count for part in parts[1:])
    return submit(connection, header, parts, display)


def _with_share(given: Rows, header: training_pb2.TrainHeader, share: float) -> Rows:
    """Put the share of the rows to hold out into the plan, where it belongs. Raises `InvalidRequest`."""
    if header.plan.HasField("validation"):
        raise invalid("validation", "expected one way to hold rows out, the plan has a validation, too")
    header.plan.validation = share
    return replace(given, validation=None)


def _dataset(
    connection: Connection,
    given: Rows,
    header: training_pb2.TrainHeader,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> Dataset | None:
    """Return the dataset to train on, a file once it is sent; None if the rows are in memory."""
    if isinstance(given.X, str | os.PathLike):
        dataset = _sent(connection, cast("str", given.X), header, encoder, display)
        encoder.ClearField("formats")  # those of the dataset's columns
        return dataset
    if isinstance(given.X, Dataset):
        _check_no_formats(given.columns, encoder)
        return given.X
    return None


def _sent(
    connection: Connection,
    path: str,
    header: training_pb2.TrainHeader,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> Dataset:
    """Send the file. A training that starts from a version reads it as that did."""
    file = open_path(path, "X")
    start_from = header.start_from
    sent = open_file_header(file, read_as="/".join(filter(None, (start_from.model, start_from.version))) or None)
    for name, form in encoder.formats.items():
        sent.formats[name].CopyFrom(form)
    try:
        return dataset_of(connection, send_file(connection, file, sent, display))
    except InvalidRequest as exc:
        raise placed(exc, [ALL_ROWS]) from exc


def _created(
    connection: Connection,
    request: training_pb2.CreateJobRequest,
    dataset: Dataset,
    columns: Mapping[str, Any],
) -> training_pb2.Job:
    """Return the job. Errors about what is chosen in `columns` name that argument, others the encoder."""
    patience = connection.timeout + FITTING_SECONDS * dataset.rows * dataset.column_count
    try:
        return connection.call(connection.training.CreateJob, request, timeout=patience)
    except InvalidRequest as exc:
        match exc.place:
            case (str(part),) if part in _ARGUMENTS:
                place: Steps = (_ARGUMENTS[part],)
            case ("validation_dataset", *rest):
                place = ("validation", *rest)
            case ("encoder", "columns", str(name), *rest) if rest or exc.reason == "COLUMN_NOT_FOUND":
                place = ("columns", name, *rest) if name in columns else exc.place
            case _:
                raise placed(exc, [ALL_ROWS]) from exc
        raise invalid(place, exc.detail, reason=exc.reason, request_id=exc.request_id) from exc


def _hold_out(
    connection: Connection,
    request: training_pb2.CreateJobRequest,
    dataset: Dataset,
    validation: object,
    display: Progress,
) -> None:
    """Say in the request which rows to hold out. A file is sent, and read as `dataset` was."""
    if isinstance(validation, Dataset):
        request.validation_dataset = validation.id
        return
    if isinstance(validation, str):
        if validation in [column.name for column in dataset.columns]:
            request.validation_column = validation
            return
        if not Path(validation).is_file():
            detail = f"expected a column that marks rows, or a file, there is no {validation!r}"
            raise InvalidRequest(f"validation: {detail}", pointer="validation")
    if isinstance(validation, str | os.PathLike):
        file = open_path(cast("str", validation), "validation")
        request.validation_dataset = _held_out_file(connection, file, dataset, display, named=f"{file}: ")
        return
    X, y, weights = parts_of(validation, request.target)
    if weights is not None:
        raise invalid("validation", "expected (x, y): the weights are a column of x, as in the rows to train on")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "validation.jsonl"
        with path.open("w", encoding="utf-8") as rows:
            try:
                write_json_lines(rows, X, None if isinstance(y, str) else y, name=request.target)
            except InvalidRequest as exc:
                raise about_validation(exc) from exc
        request.validation_dataset = _held_out_file(connection, path, dataset, display)


def _held_out_file(connection: Connection, file: Path, dataset: Dataset, display: Progress, *, named: str = "") -> str:
    """Send a file of rows to hold out, to be read as `dataset` was, and return the id of its dataset."""
    formats = {column.name: column.format for column in dataset.columns}
    header = open_file_header(file, columns=formats, transient=True)
    try:
        return send_file(connection, file, header, display).id
    except InvalidRequest as exc:
        raise invalid(("validation",), f"{named}{exc}", reason=exc.reason, request_id=exc.request_id) from exc


def _check_no_formats(columns: Mapping[str, Any] | None, encoder: tables_pb2.Encoder) -> None:
    for name in encoder.formats:
        if name in (columns or {}):
            detail = "expected an encoding: the dataset has been read; upload_dataset takes the kinds of columns"
            raise invalid(("columns", name), detail)
