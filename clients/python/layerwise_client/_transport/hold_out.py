"""The argument `validation` of `Client.train`, if the rows to train on are a dataset: which rows are held out."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import cast

from layerwise_client._data.dataset_table import open_dataset_table
from layerwise_client._data.file_header import dataset_name, open_file_header, open_path
from layerwise_client._data.held_out import about_validation, parts_of
from layerwise_client._data.names import column_name
from layerwise_client._data.places import invalid
from layerwise_client._data.rows_to_train import Rows
from layerwise_client._data.tables import is_table, listed
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.send_file import send_file
from layerwise_client._transport.send_table import send_table
from layerwise_client.dataset import Dataset
from layerwise_client.errors import InvalidRequest
from layerwise_client.progress import Progress
from layerwise_proto.v1 import datasets_pb2, tables_pb2, training_pb2, types_pb2


def hold_out(
    connection: Connection,
    request: training_pb2.CreateJobRequest,
    dataset: Dataset,
    given: Rows,
    *,
    encoder: tables_pb2.Encoder,
    display: Progress,
) -> None:
    """Say in the request which rows to hold out. A file and rows in memory are sent, and read as `dataset` was."""
    validation = given.validation
    if isinstance(validation, Dataset):
        request.validation_dataset = validation.id
        return
    if (named := column_name(validation)) is not None:
        if named in [column.name for column in dataset.columns]:
            request.validation_column = named
            return
        if not Path(named).is_file():
            detail = f"expected a column that marks rows, or a file, there is no {validation!r}"
            raise InvalidRequest(f"validation: {detail}", pointer="validation")
    if isinstance(validation, str | os.PathLike):
        file = open_path(cast("str", validation), "validation")
        header = _held_out_header(dataset, _needed(dataset, request.ignore), name=dataset_name(file.name))
        try:
            request.validation_dataset = send_file(connection, file, header, display).id
        except InvalidRequest as exc:
            detail = f"{file}: {exc}"
            raise invalid(("validation",), detail, reason=exc.reason, request_id=exc.request_id) from exc
        return
    X, y, weights = parts_of(validation, column_name(given.y))
    try:
        if weights is None:
            weights = column_name(given.weights)
        if not is_table(X):
            columns = listed([column.name for column in dataset.columns])
            raise invalid("X", f"expected a table with the columns {columns}, got {type(X).__name__}")
        if (weights is None) is not (given.weights is None):
            wanted, got = ("none", "some") if given.weights is None else ("(x, y, weights)", "none")
            raise invalid("weights", f"expected {wanted}, as for the rows to train on, got {got}")
        amounts = request.task == types_pb2.TASK_AMOUNT
        table = open_dataset_table(
            X, y, weights, encoder=encoder, target=request.target, weight=request.weight, amounts=amounts
        )
        try:
            header = _held_out_header(dataset, table.rows.names)
            request.validation_dataset = send_table(connection, table.rows, header, display).id
        except InvalidRequest as exc:
            raise table.placed(exc) from exc
    except InvalidRequest as exc:
        raise about_validation(exc) from exc


def _needed(dataset: Dataset, ignored: Collection[str]) -> list[str]:
    """Return the columns that a file of rows to hold out has to have."""
    unasked = [
        column.name for column in dataset.columns if {"INDEX", "EMPTY"} & {each.reason for each in column.doubts}
    ]
    return [column.name for column in dataset.columns if column.name not in (*ignored, *unasked)]


def _held_out_header(dataset: Dataset, names: Collection[str], *, name: str = "") -> datasets_pb2.FileHeader:
    """Return the header of rows to hold out that have the columns `names`, to be read as `dataset` was."""
    formats = {column.name: column.format for column in dataset.columns if column.name in names}
    return open_file_header(name=name, columns=formats, transient=True)
