"""Evaluating versions on rows, on a dataset or on a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from layerwise_client._data.arguments import text
from layerwise_client._data.dataset_table import as_table, open_dataset_table
from layerwise_client._data.file_header import dataset_name, open_file_header, open_path
from layerwise_client._data.names import column_name
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.send_file import send_file
from layerwise_client._transport.send_table import send_table
from layerwise_client.dataset import Dataset, dataset_of
from layerwise_client.errors import InvalidRequest
from layerwise_client.evaluation import VersionEvaluation, evaluations_of
from layerwise_client.progress import display_of
from layerwise_proto.v1 import models_pb2, tables_pb2

_SECONDS_A_ROW = 5e-3  # of a large network, beside other work
_MOST_ROWS = 100_000  # of which a version predicts a sample, if there are more


def evaluated(
    connection: Connection, versions: str | Iterable[str], data: object, y: object
) -> tuple[VersionEvaluation, ...]:
    """Return the evaluation of each version. The arguments are those of `Client.evaluate`."""
    names = [text(each, "versions") for each in ([versions] if isinstance(versions, str) else versions)]
    if not names:
        raise InvalidRequest("versions: expected at least one version, got none", pointer="versions")
    target = column_name(y) or ""
    if isinstance(data, Dataset):
        dataset = data
    elif isinstance(data, str | os.PathLike):
        dataset = _sent(connection, open_path(cast("str", data)), read_as=names[0])
    else:
        table = open_dataset_table(as_table(data), y, None, encoder=tables_pb2.Encoder())
        target = table.target
        try:
            sent = send_table(connection, table.rows, open_file_header(transient=True), display_of(False))
        except InvalidRequest as exc:
            raise table.placed(exc) from exc
        dataset = dataset_of(connection, sent)
    request = models_pb2.EvaluateDatasetRequest(dataset=dataset.id, target=target, versions=names)
    timeout = connection.timeout + _SECONDS_A_ROW * min(dataset.rows, _MOST_ROWS) * len(names)
    return evaluations_of(connection.call(connection.prediction.EvaluateDataset, request, timeout=timeout))


def _sent(connection: Connection, path: Path, *, read_as: str) -> Dataset:
    header = open_file_header(name=dataset_name(path.name), read_as=read_as, transient=True)
    return dataset_of(connection, send_file(connection, path, header, display_of(False)))
