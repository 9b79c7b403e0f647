"""Starting a training on rows, on a dataset or on a file. The answer is the accepted job."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from layerwise_client._data.dataset_job import open_dataset_job
from layerwise_client._data.encoder import open_encoder
from layerwise_client._data.file_header import open_file_header, open_path
from layerwise_client._data.places import ALL_ROWS, invalid, placed
from layerwise_client._data.task import check_task, task_classifies
from layerwise_client._data.training_data import open_training_data
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.send_file import send_file
from layerwise_client._transport.upload import FITTING_SECONDS, submit
from layerwise_client.dataset import Dataset, dataset_of
from layerwise_client.errors import InvalidRequest
from layerwise_client.progress import Progress
from layerwise_proto.v1 import tables_pb2, training_pb2

if TYPE_CHECKING:
    from layerwise_proto.json_form import HasJSONForm

_ARGUMENTS = {"target": "y", "weight": "weights", "dataset": "X"}
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


def start(connection: Connection, header: training_pb2.TrainHeader, given: Rows, display: Progress) -> training_pb2.Job:
    """Return the job, once the service has what it needs. Raises `InvalidRequest`."""
    check_task(given.task)
    loss = header.plan.loss.WhichOneof("kind")
    encoder = open_encoder(given.encoder, given.columns, given.ignore)
    if isinstance(given.X, str | os.PathLike):
        dataset = _sent(connection, cast("str", given.X), header, encoder, display)
        encoder.ClearField("formats")  # those of the dataset's columns
        return _on_dataset(connection, header, dataset, given, encoder)
    if isinstance(given.X, Dataset):
        _check_no_formats(given.columns, encoder)
        return _on_dataset(connection, header, given.X, given, encoder)
    data = open_training_data(
        given.X,
        given.y,
        given.weights,
        encoder=encoder,
        loss=loss,
        classification=True if header.HasField("classes") else task_classifies(given.task, loss),
        fitted=header.HasField("start_from"),
    )
    if encoder.ByteSize():
        header.encoder.CopyFrom(encoder)
    header.rows = data.count
    return submit(connection, header, data, display)


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


def _on_dataset(
    connection: Connection,
    header: training_pb2.TrainHeader,
    dataset: Dataset,
    given: Rows,
    encoder: tables_pb2.Encoder,
) -> training_pb2.Job:
    request = open_dataset_job(header, dataset, given.y, encoder=encoder, weights=given.weights, task=given.task)
    patience = connection.timeout + FITTING_SECONDS * dataset.rows * dataset.column_count
    try:
        return connection.call(connection.training.CreateJob, request, timeout=patience)
    except InvalidRequest as exc:
        match exc.place:
            case (str(part),) if part in _ARGUMENTS:
                raise invalid(_ARGUMENTS[part], exc.detail, reason=exc.reason, request_id=exc.request_id) from exc
            case _:
                raise placed(exc, [ALL_ROWS]) from exc


def _check_no_formats(columns: Mapping[str, Any] | None, encoder: tables_pb2.Encoder) -> None:
    for name in encoder.formats:
        if name in (columns or {}):
            detail = "expected an encoding: the dataset has been read; upload_dataset takes the kinds of columns"
            raise invalid(("columns", name), detail)
