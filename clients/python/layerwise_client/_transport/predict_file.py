"""Predictions for the rows of a file, which the service reads as a version reads cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import grpc

from layerwise_client._data.arguments import text
from layerwise_client._data.file_header import dataset_name, open_file_header, open_path
from layerwise_client._transport.connection import Connection, Deadline
from layerwise_client._transport.rpc import prediction_of
from layerwise_client._transport.send_file import send_file
from layerwise_client.dataset import Dataset, cells_of
from layerwise_client.errors import InvalidRequest, Unavailable
from layerwise_client.prediction import PredictedRows
from layerwise_client.progress import Progress
from layerwise_client.transport import Signature
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]


def open_request(
    connection: Connection,
    signature: Signature,
    file: Dataset | str | PathLike[str],
    *,
    keep: Iterable[str],
    target: str | None,
    gaps: Iterable[str],
    explain: bool,
    display: Progress,
) -> models_pb2.PredictDatasetRequest:
    """Send the file, unless it is a dataset already, and return the request to predict its rows.

    Columns that the version does not take are read as texts: those to keep stay as they are in the file, and the
    service reads the true values as the target of the training.
    """
    if isinstance(keep, str):
        raise InvalidRequest(f"keep: expected a list of columns, got the text {keep!r}", pointer="keep")
    kept = [text(name, "keep") for name in keep]
    truth = "" if target is None else text(target, "target")
    model, version = signature.model, str(signature.version)
    if not isinstance(file, Dataset):
        path = open_path(file, "file")
        others = {name: "text" for name in (*kept, truth) if name and name not in signature.columns}
        read_as = f"{model}/{version}"
        header = open_file_header(
            name=dataset_name(path.name), columns=others, gaps=gaps, read_as=read_as, transient=True
        )
        try:
            dataset = send_file(connection, path, header, display).id
        except InvalidRequest as exc:
            raise _named(exc, kept) from exc
    else:
        dataset = file.id
    return models_pb2.PredictDatasetRequest(
        dataset=dataset, model=model, version=version, keep=kept, target=truth, explain=explain
    )


def predicted_rows(connection: Connection, request: models_pb2.PredictDatasetRequest) -> Iterator[PredictedRows]:
    """Yield the predictions. After a broken connection it goes on where it was, until the client's timeout."""
    retries = connection.retries(connection.on_waiting)
    while True:
        try:
            for message in _messages(connection, request):
                retries.succeeded()
                rows = PredictedRows(
                    prediction_of(message.prediction),
                    {column.name: cells_of(column) for column in message.kept.columns},
                    tuple(message.unused) if request.offset == 0 else (),
                    _truth(message.truth.values) if request.target else None,
                )
                request.offset += len(rows)
                yield rows
            return
        except Unavailable as exc:
            retries.failed(exc, Deadline(None))


def _messages(connection: Connection, request: models_pb2.PredictDatasetRequest) -> Iterator[models_pb2.PredictedRows]:
    connection.check_open()
    call = connection.prediction.PredictDataset(request)
    try:
        yield from call
    except grpc.RpcError as exc:
        raise connection.error(exc) from exc
    finally:
        call.cancel()


def _truth(values: Iterable[float]) -> Array:
    import numpy as np

    return np.array(list(values), np.float64)


def _named(exc: InvalidRequest, kept: Sequence[str]) -> InvalidRequest:
    """Return the error. If the file lacks a column of `keep` or the target, the error is about that argument."""
    match exc.place:
        case ("formats" | "columns", str(name)) if exc.reason == "COLUMN_NOT_FOUND":
            argument = "keep" if name in kept else "target"
            detail = exc.detail
            return InvalidRequest(f"{argument}: {detail}", reason=exc.reason, pointer=argument, detail=detail)
        case _:
            return exc
