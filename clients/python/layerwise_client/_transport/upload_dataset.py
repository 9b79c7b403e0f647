"""Sending a file or a table that becomes a dataset, with the arguments of `Client.upload_dataset`."""

from __future__ import annotations

from typing import Any

from layerwise_client._data.dataset_table import open_dataset_table
from layerwise_client._data.file_header import dataset_name, open_file_header, open_path
from layerwise_client._data.places import hinting_at_gaps
from layerwise_client._data.tables import is_table
from layerwise_client._transport.connection import Connection
from layerwise_client._transport.send_file import send_file
from layerwise_client._transport.send_table import send_table
from layerwise_client.dataset import Dataset, dataset_of
from layerwise_client.progress import Progress
from layerwise_proto.v1 import tables_pb2


def uploaded(connection: Connection, data: object, display: Progress, *, name: str | None, **choices: Any) -> Dataset:
    """Return the dataset. Raises `InvalidRequest`."""
    with hinting_at_gaps("upload_dataset(…, gaps=[…])"):
        if not is_table(data):
            path = open_path(data, "data", or_else=", or a table")
            header = open_file_header(name=dataset_name(path.name) if name is None else name, **choices)
            return dataset_of(connection, send_file(connection, path, header, display))
        header = open_file_header(name=name or "", **choices)
        encoder = tables_pb2.Encoder(formats=header.formats)
        table = open_dataset_table(data, None, None, encoder=encoder)
        return dataset_of(connection, send_table(connection, table.rows, header, display))
