"""Predictions for the rows of a file: the service reads a table as a version reads cells, the client an array."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc

from layerwise_client._data.arguments import text
from layerwise_client._data.file_header import dataset_name, open_file_header, open_path
from layerwise_client._data.places import hinting_at_gaps, invalid
from layerwise_client._transport.connection import Connection, Deadline
from layerwise_client._transport.rpc import prediction_of
from layerwise_client._transport.send_file import send_file
from layerwise_client.dataset import Dataset, cells_of
from layerwise_client.errors import InvalidRequest, Unavailable
from layerwise_client.prediction import PredictedRows, Prediction
from layerwise_client.progress import Progress, predicting_of
from layerwise_client.transport import Signature
from layerwise_proto.v1 import models_pb2

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_NPY = b"\x93NUMPY"
_ARRAY_BYTES = 8 << 20  # of a block of an array file, in float64


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
) -> tuple[models_pb2.PredictDatasetRequest, int]:
    """Send the file, unless it is a dataset already. Return the request to predict its rows, and their number.

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
            with hinting_at_gaps("predict_file(…, gaps=[…])"):
                sent = send_file(connection, path, header, display)
        except InvalidRequest as exc:
            raise _named(exc, kept) from exc
        dataset, rows = sent.id, sent.rows
    else:
        dataset, rows = file.id, file.rows
    request = models_pb2.PredictDatasetRequest(
        dataset=dataset, model=model, version=version, keep=kept, target=truth, explain=explain
    )
    return request, rows


def shown_rows(blocks: Iterator[PredictedRows], of: int, display: Progress) -> Iterator[PredictedRows]:
    """Yield `blocks`, and show on `display` how many of all rows are done; close it at the end."""
    show, done = predicting_of(display), 0
    try:
        for rows in blocks:
            done += len(rows)
            if show is not None:
                show(done, of)
            yield rows
    finally:
        display.closed()


def open_array(file: object) -> Path | None:
    """Return the path of an array file that `np.save` wrote; None for any other file."""
    if not isinstance(file, str | PathLike):
        return None
    path = open_path(cast("str | PathLike[str]", file), "file")
    with path.open("rb") as opened:
        return path if opened.read(len(_NPY)) == _NPY else None


def array_rows(path: Path) -> Array:
    """Return the rows of an array file, which is mapped and not read. Raises `InvalidRequest`."""
    import numpy as np

    try:
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as exc:
        raise InvalidRequest(f"file: {path} cannot be read as an array: {exc}", pointer="file") from exc
    if found.ndim != 2:
        detail = f"expected an array of rows and inputs, got one of the shape {found.shape}"
        raise InvalidRequest(f"file: {detail}", pointer="file", detail=detail)
    return found


def predicted_array(path: Path, predict: Callable[[Array], Prediction]) -> Iterator[PredictedRows]:
    """Yield the predictions for the rows of an array file, in flat memory."""
    import numpy as np

    from layerwise.tables.unusual import moved

    count, inputs = array_rows(path).shape
    step = max(1, _ARRAY_BYTES // (8 * max(1, inputs)))
    for start in range(0, count, step):
        block = np.array(array_rows(path)[start : start + step])  # mapped anew: pages that were read are given back
        try:
            answer = predict(block)
        except InvalidRequest as exc:
            match exc.place:
                case ("X", int(row), *rest):
                    place = ("X", start + row, *rest)
                    raise invalid(place, exc.detail, reason=exc.reason, request_id=exc.request_id) from exc
                case _:
                    raise
        yield PredictedRows(replace(answer, warnings=tuple(moved(answer.warnings, start))), {})


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
