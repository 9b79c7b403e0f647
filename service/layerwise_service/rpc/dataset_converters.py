"""Conversion of datasets to the messages of layerwise.v1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from layerwise.errors import Place
from layerwise_proto.json_form import to_json, to_message
from layerwise_proto.v1 import datasets_pb2, models_pb2, profiles_pb2, tables_pb2
from layerwise_service.domain.profiles import Profile
from layerwise_service.domain.table_datasets import (
    Cell,
    DatasetColumn,
    DatasetRows,
    TableDataset,
    TableDatasetSummary,
    as_text,
)
from layerwise_service.errors import InvalidRequest
from layerwise_service.rpc.converters import write_prediction, write_struct, write_time
from layerwise_service.usecases.dataset_headers import FileHeader, TableHeader, read_as
from layerwise_service.usecases.evaluations import DatasetEvaluation
from layerwise_service.usecases.file_prediction import DatasetRequest
from layerwise_service.usecases.table_prediction import PredictedRows


def read_header(header: datasets_pb2.FileHeader) -> FileHeader | TableHeader:
    """Return what the caller says of a file or a table. Raises `InvalidRequest`."""
    sent = to_json(datasets_pb2.FileHeader(formats=header.formats))
    given: dict[str, Any] = {
        "name": header.name,
        "formats": sent.get("formats", {}),
        "gaps": tuple(header.gaps),
        "read_as": read_as(header.read_as_model, header.read_as_version),
        "transient": header.transient,
    }
    if not header.rows:
        return FileHeader(size=header.size, upload_id=header.upload_id, sha256=header.sha256, **given)
    for name in ("size", "upload_id", "sha256"):
        if getattr(header, name):
            raise InvalidRequest("expected none with a table, which is no file", pointer=name)
    return TableHeader(rows=header.rows, **given)


def write_dataset_summary(dataset: TableDatasetSummary) -> datasets_pb2.Dataset:
    """Return the dataset's summary as a message."""
    return datasets_pb2.Dataset(
        id=dataset.id,
        name=dataset.name,
        rows=dataset.rows,
        column_count=dataset.column_count,
        size_bytes=dataset.size_bytes,
        file_sha256=dataset.file_sha256,
        create_time=write_time(dataset.created),
        transient=dataset.transient,
    )


def write_dataset(dataset: TableDataset) -> datasets_pb2.Dataset:
    """Return the dataset as a message, with its columns."""
    message = write_dataset_summary(dataset)
    message.columns.extend(_column(column) for column in dataset.columns)
    message.doubts.extend(datasets_pb2.Doubt(**asdict(doubt)) for doubt in dataset.doubts)
    return message


def write_rows(rows: DatasetRows) -> datasets_pb2.DatasetRows:
    """Return the rows as a message."""
    table = _table(rows.columns, rows.kinds)
    return datasets_pb2.DatasetRows(table=table, offset=rows.offset, next_offset=rows.next_offset)


def read_dataset_request(request: models_pb2.PredictDatasetRequest) -> DatasetRequest:
    """Return the request to predict a dataset."""
    return DatasetRequest(
        request.dataset,
        request.model or None,
        request.version or None,
        keep=tuple(dict.fromkeys(request.keep)),
        target=request.target,
        explain=request.explain,
    )


def read_version_names(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the model, and the number, alias or "", of each "model" or "model/version". Raises `InvalidRequest`."""
    found: list[tuple[str, str]] = []
    for index, name in enumerate(names):
        model, slash, version = name.partition("/")
        if not model or (slash and not version):
            detail = f"expected a model, or model/version, got {name[:128]!r}"
            raise InvalidRequest(detail, pointer=Place("versions", index))
        found.append((model, version))
    return found


def write_evaluations(found: DatasetEvaluation) -> models_pb2.EvaluateDatasetResponse:
    """Return evaluations of versions as a message."""
    return models_pb2.EvaluateDatasetResponse(
        target=found.target,
        without_target=found.without_target,
        versions=[
            models_pb2.VersionEvaluation(
                model=each.model,
                version=each.version,
                evaluation=write_struct(each.evaluation),
                difference=None if each.difference is None else models_pb2.ScoreDifference(**asdict(each.difference)),
            )
            for each in found.versions
        ],
    )


def write_predicted_rows(
    rows: PredictedRows, kept: Mapping[str, str], unused: Sequence[str]
) -> models_pb2.PredictedRows:
    """Return predicted rows of a dataset as a message; `kept` are the kinds of the columns that are kept."""
    return models_pb2.PredictedRows(
        prediction=write_prediction(rows.prediction),
        kept=_table(rows.kept, kept),
        unused=unused,
        truth=None if rows.truth is None else tables_pb2.Numbers(values=rows.truth.tolist()),
    )


def _table(columns: Mapping[str, Sequence[Cell]], kinds: Mapping[str, str]) -> tables_pb2.Table:
    return tables_pb2.Table(columns=[_values(name, cells, kind=kinds[name]) for name, cells in columns.items()])


def write_profile(profile: Profile) -> profiles_pb2.Profile:
    """Return the profile as a message."""
    task = None if profile.task is None else profile.task.lower()
    return to_message(asdict(profile) | {"task": task}, profiles_pb2.Profile)


def _column(column: DatasetColumn) -> datasets_pb2.DatasetColumn:
    return datasets_pb2.DatasetColumn(
        name=column.name,
        format=to_message(column.format, tables_pb2.Format),
        gaps=column.gaps,
        distinct=column.distinct,
        example=column.example,
        doubts=[datasets_pb2.Doubt(**asdict(doubt)) for doubt in column.doubts],
        distinct_estimated=column.distinct_estimated,
    )


def _values(name: str, cells: Sequence[Cell], *, kind: str) -> tables_pb2.Column:
    if kind == "number":
        numbers = [math.nan if cell is None else float(cell) for cell in cells]
        return tables_pb2.Column(name=name, numbers=tables_pb2.Numbers(values=numbers))
    return tables_pb2.Column(name=name, texts=tables_pb2.Texts(values=map(as_text, cells)))
