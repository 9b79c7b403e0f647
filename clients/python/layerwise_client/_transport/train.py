"""Starting a training on rows, on a dataset or on a file. The answer is the accepted job."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from layerwise_client._data.dataset_job import open_dataset_job
from layerwise_client._data.dataset_table import DatasetTable, fits_one_column, open_dataset_table
from layerwise_client._data.encoder import check_encoder, open_encoder
from layerwise_client._data.file_header import dataset_name, open_file_header, open_path
from layerwise_client._data.held_out import open_parts
from layerwise_client._data.names import column_name
from layerwise_client._data.places import ALL_ROWS, Steps, hinting_at_gaps, invalid, placed
from layerwise_client._data.rows_to_train import Rows
from layerwise_client._data.tables import UncheckedTable, is_table, open_table
from layerwise_client._data.task import taken_by, task_classifies, task_number, warn_of_task
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.hold_out import hold_out
from layerwise_client._transport.send_file import send_file
from layerwise_client._transport.send_table import send_table
from layerwise_client._transport.upload import FITTING_SECONDS, submit
from layerwise_client.dataset import Dataset, dataset_of
from layerwise_client.errors import InvalidRequest
from layerwise_client.outcome import level_of_caller
from layerwise_client.progress import Progress
from layerwise_client.wording import counted
from layerwise_proto.v1 import datasets_pb2, tables_pb2, training_pb2, types_pb2

_ARGUMENTS = {
    "target": "y",
    "weight": "weights",
    "dataset": "X",
    "validation_dataset": "validation",
    "validation_column": "validation",
}
"""The arguments of `Client.train` by the names that the service has for them."""


def start(connection: Connection, header: training_pb2.TrainHeader, given: Rows, display: Progress) -> training_pb2.Job:
    """Return the job, once the service has what it needs. Raises `InvalidRequest`."""
    task_number(given.task)  # refuses what is no task
    if given.validation is not None and header.plan.validation:
        raise invalid("validation", "expected one way to hold rows out, the plan has a validation, too")
    if isinstance(given.validation, int | float) and not isinstance(given.validation, bool):
        header.plan.validation = given.validation
        given = replace(given, validation=None)
    loss = header.plan.loss.WhichOneof("kind")
    encoder = open_encoder(given.encoder, given.columns, given.ignore)
    if isinstance(given.X, Dataset | str | os.PathLike):
        return _on_file(connection, given, header, encoder, display)
    if is_table(given.X) and not header.HasField("classes"):
        X = open_table(given.X)
        if fits_one_column(X, given.y):
            return _on_table(connection, replace(given, X=X), header, encoder, display)
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
        named = filter(None, map(column_name, (given.y, given.validation)))
        encoder.ignore.extend(name for name in named if name not in encoder.ignore)
    if encoder.ByteSize():
        header.encoder.CopyFrom(encoder)
    header.rows = sum(part.count for part in parts)
    header.held_out = sum(part.count for part in parts[1:])
    return submit(connection, header, parts, display)


def _on_file(
    connection: Connection,
    given: Rows,
    header: training_pb2.TrainHeader,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> training_pb2.Job:
    """Return the job on a dataset of the service, or of a file once it is sent."""
    if isinstance(given.X, Dataset):
        _check_no_formats(given.columns, encoder)
        dataset = given.X
    else:
        dataset = _sent(connection, cast("str", given.X), header, encoder, display)
        encoder.ClearField("formats")  # those of the dataset's columns
    target, weights = (column_name(each) or each for each in (given.y, given.weights))
    request = open_dataset_job(header, dataset, target, encoder=encoder, weights=weights, task=given.task)
    return _created(connection, request, dataset, given, encoder=encoder, display=display)


def _on_table(
    connection: Connection,
    given: Rows,
    header: training_pb2.TrainHeader,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> training_pb2.Job:
    """Return the job on a table in memory, once it is sent and has become a dataset."""
    X = cast("UncheckedTable", given.X)
    for doubt in X.doubts:
        if doubt.reason != "NO_NAME":  # of which the service says more
            warnings.warn(f"X: {doubt.message}", stacklevel=level_of_caller())
    check_encoder(encoder, X, column_name(given.y))
    loss = header.plan.loss.WhichOneof("kind")
    amounts = taken_by(loss, task_classifies(given.task, loss)) == "values"
    table = open_dataset_table(X, given.y, given.weights, encoder=encoder, amounts=amounts)
    sent = _header_for(header, encoder, name=dataset_name(f"table for {header.model}"))
    encoder.ClearField("formats")  # those of the dataset's columns
    try:
        dataset = dataset_of(connection, send_table(connection, table.rows, sent, display))
        request = open_dataset_job(
            header, dataset, table.target, encoder=encoder, weights=table.weight or None, task=given.task
        )
        job = _created(connection, request, dataset, given, encoder=encoder, display=display)
    except InvalidRequest as exc:
        raise table.placed(exc) from exc
    chosen = request.task != types_pb2.TASK_UNSPECIFIED or request.HasField("start_from")
    _warn_of_target(job.source, table, chosen=chosen)
    for said in job.source.doubts:
        if said.reason in ("NO_NAME", "INDEX"):
            about = "" if said.reason == "NO_NAME" else f"{said.column}: "  # the other names the column itself
            warnings.warn(f"X: {about}{said.message}", stacklevel=level_of_caller())
    return job


def _warn_of_target(source: training_pb2.TableSource, table: DatasetTable, *, chosen: bool) -> None:
    """Warn of rows that are left out. Unless the task was `chosen`, warn if it is not what the target's type says."""
    if source.left_out:
        left_out = counted(source.left_out, "row without a target is", "rows without a target are")
        remain = "" if source.validation_dataset else f", {table.rows.count - source.left_out:,} remain"
        warnings.warn(f"{left_out} left out{remain}", stacklevel=level_of_caller())
    kind = dict(zip(table.rows.names, table.rows.types, strict=True))[table.target]
    are_classes = source.task == types_pb2.TASK_CLASSES
    if not chosen and kind in ("whole", "number") and are_classes is (kind == "number"):
        warn_of_task(source.why, are_classes=are_classes)


def _sent(
    connection: Connection,
    path: str,
    header: training_pb2.TrainHeader,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> Dataset:
    """Send the file. A training that starts from a version reads it as that did."""
    file = open_path(path, "X")
    sent = _header_for(header, encoder, name=dataset_name(file.name))
    with hinting_at_gaps("upload_dataset(…, gaps=[…])"):
        try:
            return dataset_of(connection, send_file(connection, file, sent, display))
        except InvalidRequest as exc:
            raise placed(exc, [ALL_ROWS]) from exc


def _header_for(header: training_pb2.TrainHeader, encoder: tables_pb2.Encoder, *, name: str) -> datasets_pb2.FileHeader:
    """Return the header of the rows to train on: they are read as those of the version to start from."""
    start_from = header.start_from
    read_as = "/".join(filter(None, (start_from.model, start_from.version))) or None
    sent = open_file_header(name=name, read_as=read_as)
    for column, form in encoder.formats.items():
        sent.formats[column].CopyFrom(form)
    return sent


def _created(
    connection: Connection,
    request: training_pb2.CreateJobRequest,
    dataset: Dataset,
    given: Rows,
    *,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> training_pb2.Job:
    """Return the job, once the rows to hold out are sent.

    Errors about a column that is in `columns` name that argument, others the encoder.
    """
    if given.validation is not None:
        hold_out(connection, request, dataset, given, encoder=encoder, display=display)
    patience = connection.timeout + FITTING_SECONDS * dataset.rows * dataset.column_count
    try:
        return connection.call(connection.training.CreateJob, request, timeout=patience)
    except InvalidRequest as exc:
        match exc.place:
            case (str(part),) if part in _ARGUMENTS:
                place: Steps = (_ARGUMENTS[part],)
            case ("task",) if given.task is None:  # the loss or the version to start from decides it
                place = ("y",)
            case ("dataset", "columns", str(column)):
                place = ("X", column)
            case ("validation_dataset", *rest):
                place = ("validation", *rest)
            case ("encoder", "columns", str(name), *rest) if rest or exc.reason == "COLUMN_NOT_FOUND":
                place = ("columns", name, *rest) if name in (given.columns or {}) else exc.place
            case _:
                raise placed(exc, [ALL_ROWS]) from exc
        raise invalid(place, exc.detail, reason=exc.reason, request_id=exc.request_id) from exc


def _check_no_formats(columns: Mapping[str, Any] | None, encoder: tables_pb2.Encoder) -> None:
    for name in encoder.formats:
        if name in (columns or {}):
            detail = "expected an encoding: the dataset has been read; upload_dataset takes the kinds of columns"
            raise invalid(("columns", name), detail)
