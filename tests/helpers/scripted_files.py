"""The part of a scripted service that takes files and tables, trains on them, and predicts their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import grpc
import numpy as np

from helpers.rpc_requests import strings, table, tensor
from layerwise_proto.v1 import datasets_pb2, models_pb2, tables_pb2, training_pb2, types_pb2


class ScriptedFiles:
    """What the service has of files: `headers` and `contents` of those sent, `requests` to predict them.

    Of tables it has `tables`, the blocks of each, and of jobs on all of them the requests, `jobs`. It predicts the rows
    of every file in `blocks`, to which `predicts` and `predicts_values` add.
    """

    def __init__(self, answers: dict[str, Any]) -> None:
        self.headers: list[Any] = []
        self.contents: list[bytes] = []
        self.requests: list[models_pb2.PredictDatasetRequest] = []
        self.blocks: list[models_pb2.PredictedRows] = []
        self.rows = 0  # of a file, as the service counts them
        self.breaks: list[int] = []  # after so many blocks of a call the connection breaks
        self.tables: list[list[tables_pb2.Table]] = []
        self.jobs: list[training_pb2.CreateJobRequest] = []
        self.source = training_pb2.TableSource(task=types_pb2.TASK_CLASSES)  # what the service says of each job
        answers |= {"UploadDataset": self.upload, "PredictDataset": self.predict, "CreateJob": self.create_job}

    def upload(self, requests: Any, context: grpc.ServicerContext) -> datasets_pb2.Dataset:
        first, *chunks = requests
        self.headers.append(first.header)
        if first.header.rows:
            self.tables.append([each.table for each in chunks])
            read = tables_pb2.Format(text=tables_pb2.TextFormat())
            names = [column.name for column in chunks[0].table.columns]
            columns = [datasets_pb2.DatasetColumn(name=name, format=read) for name in names]
            return datasets_pb2.Dataset(id=f"t{len(self.tables)}", rows=first.header.rows, columns=columns)
        self.contents.append(b"".join(each.chunk.data for each in chunks))
        digest = hashlib.sha256(self.contents[-1]).hexdigest()
        return datasets_pb2.Dataset(id="d1", file_sha256=digest, rows=self.rows)

    def create_job(self, request: training_pb2.CreateJobRequest, context: grpc.ServicerContext) -> training_pb2.Job:
        self.jobs.append(request)
        job = training_pb2.Job(id="job-1", model=request.model, metric="accuracy", source=self.source)
        job.state = training_pb2.JOB_STATE_QUEUED
        job.plan.epochs = 3
        return job

    def columns(self, table: int) -> dict[str, list[Any]]:
        """The values of the columns of one of the tables."""
        found: dict[str, list[Any]] = {}
        for block in self.tables[table]:
            for column in block.columns:
                found.setdefault(column.name, []).extend(column.texts.values or column.numbers.values)
        return found

    def types(self, table: int) -> dict[str, str]:
        """The types of the columns of one of the tables."""
        kinds = tables_pb2.ColumnType
        return {
            column.name: kinds.Name(column.type).removeprefix("COLUMN_TYPE_").lower()
            for column in self.tables[table][0].columns
        }

    def predict(self, request: models_pb2.PredictDatasetRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        self.requests.append(models_pb2.PredictDatasetRequest.FromString(request.SerializeToString()))
        row, most = 0, self.breaks.pop(0) if self.breaks else len(self.blocks)
        for block in self.blocks:
            if row >= request.offset:
                if most == 0:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
                most -= 1
                yield block
            row += len(block.prediction.labels.strings.values) or block.prediction.values.shape[0]

    def predicts(self, *labels: str, truth: Sequence[float] = (), unused: Sequence[str] = (), **kept: Any) -> None:
        """Adds a block of labels with probabilities."""
        self.blocks.append(
            models_pb2.PredictedRows(
                prediction=models_pb2.PredictResponse(
                    model="flights",
                    version=3,
                    labels=strings(*labels),
                    classes=strings("early", "late"),
                    probabilities=tensor(np.full((len(labels), 2), 0.5)),
                ),
                kept=table(**kept),
                unused=unused,
                truth=tables_pb2.Numbers(values=truth),
            )
        )

    def predicts_values(self, *values: float, truth: Sequence[float] = ()) -> None:
        """Adds a block of numbers."""
        message = tensor(np.array(values)[:, None])
        self.blocks.append(
            models_pb2.PredictedRows(
                prediction=models_pb2.PredictResponse(model="prices", version=1, values=message),
                truth=tables_pb2.Numbers(values=truth),
            )
        )
