"""Jobs on datasets: the target is decided, and the rows go the way of those that a caller sends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import Place
from layerwise.wording import did_you_mean
from layerwise_service.domain.datasets import Batch, Table
from layerwise_service.domain.jobs import Job, JSONObject, TableSource, Task
from layerwise_service.domain.table_datasets import DatasetColumn, TableDataset, as_sent
from layerwise_service.domain.tables import listed, with_formats
from layerwise_service.domain.targets import TargetValues, decide_task, has_value, target_values
from layerwise_service.errors import InvalidRequest
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.dataset_store import DatasetStore
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.usecases.upload import Submission, Upload


@dataclass(frozen=True, slots=True)
class DatasetJob:
    """A request to train on a dataset. `weight` may be "", `task` None: decided from the target's values."""

    model: str
    dataset: str
    target: str
    architecture: JSONObject
    plan: JSONObject
    ignore: tuple[str, ...] = ()
    weight: str = ""
    task: Task | None = None
    encoder: JSONObject | None = None
    request_id: str | None = None
    start_from: tuple[str, str] | None = None


class DatasetJobs:
    """Creates jobs on datasets."""

    def __init__(self, datasets: DatasetStore, artifacts: ArtifactStore, training: TrainingJobs) -> None:
        self._datasets = datasets
        self._artifacts = artifacts
        self._training = training

    def create(self, request: DatasetJob) -> Job:
        """Store the rows of the job and queue it, which is durable from then on.

        Raises `DatasetNotFound`, and `InvalidRequest` with the row and column of the dataset in its place.
        """
        dataset = self._datasets.get(request.dataset)
        columns = {column.name: column for column in dataset.columns}
        _check_columns(request, columns)
        table = self._artifacts.open_table(dataset)
        target = columns[request.target]
        values = TargetValues()
        for block in table.blocks([target.name]):
            values.add(block[target.name])
        task, why = decide_task(target, values, request.task)
        source = TableSource(
            dataset=dataset.id,
            target=target.name,
            task=task,
            why=why,
            left_out=values.left_out,
            ignored=tuple(request.ignore),
            weight=request.weight,
            target_format=dict(target.format),
        )
        submission = _submission(request, dataset, source, rows=values.rows)
        upload = self._training.upload(submission)
        kept: list[NDArray[np.intp]] = []  # of each batch, the rows of the dataset
        try:
            with _places(kept, source):
                _send(upload, table, dataset, submission, kept)
                return upload.submit()
        except BaseException:
            upload.discard()
            raise


def _check_columns(request: DatasetJob, columns: dict[str, DatasetColumn]) -> None:
    named = [("target", request.target), *(("ignore", name) for name in request.ignore)]
    if request.weight:
        named.append(("weight", request.weight))
    for pointer, name in named:
        if name not in columns:
            near = did_you_mean(name, columns)
            detail = f"there is no column {name[:64]!r}; the columns are {listed(columns)}{near}"
            raise InvalidRequest(detail, pointer=pointer, reason="COLUMN_NOT_FOUND")
    names = [name for _, name in named]
    if len(set(names)) < len(names):
        raise InvalidRequest("expected different columns as target, as weight and to ignore", pointer="ignore")
    if request.weight and (kind := columns[request.weight].kind) != "number":
        raise InvalidRequest(
            f"expected a column of numbers, {request.weight!r} is one of kind {kind}", pointer="weight"
        )
    if len(names) == len(columns):
        raise InvalidRequest("expected at least one column to learn from, got none", pointer="ignore")


def _submission(request: DatasetJob, dataset: TableDataset, source: TableSource, *, rows: int) -> Submission:
    """Return what a caller would send: the encoder reads cells as those of the file were read."""
    encoder: JSONObject | None = request.encoder
    if request.start_from is None:  # else the encoder is that of the version
        given: dict[str, Any] = encoder or {}
        unused = [*source.ignored, source.target, *([source.weight] if source.weight else ())]
        ignored = list(dict.fromkeys([*given.get("ignore", ()), *unused]))
        encoder = with_formats(given | {"ignore": ignored}, {column.name: column.format for column in dataset.columns})
    return Submission(
        model=request.model,
        architecture=request.architecture,
        plan=request.plan,
        rows=rows,
        request_id=request.request_id,
        start_from=request.start_from,
        encoder=encoder,
        source=source,
    )


def _send(
    upload: Upload, table: StoredTable, dataset: TableDataset, submission: Submission, kept: list[NDArray[np.intp]]
) -> None:
    """Give the rows with a target to `upload`; `kept` gets the rows of the dataset that each batch has."""
    source = submission.source
    assert source is not None
    kinds = {column.name: column.kind for column in dataset.columns}
    unused = {source.target, source.weight, *source.ignored}
    booleans = {name: kind for name, kind in kinds.items() if kind == "boolean" and name not in unused}
    start = 0
    for block in table.blocks():
        there = has_value(block[source.target])
        rows = np.flatnonzero(there)
        if len(rows):
            kept.append(rows + start)
            chosen = {name: _chosen(values, there) for name, values in block.items()}
            inputs: Table = {
                name: chosen[name] if name in booleans else as_sent(kinds[name], chosen[name])
                for name in kinds
                if name not in unused
            }
            expected = target_values(kinds[source.target], source.task, chosen[source.target])
            weights = np.asarray(chosen[source.weight], np.float32) if source.weight else None
            upload.add(Batch(inputs, expected, weights, booleans))
        start += len(there)


def _chosen(values: NDArray[np.float64] | list[str], there: NDArray[np.bool_]) -> NDArray[np.float64] | list[str]:
    if there.all():
        return values
    if isinstance(values, list):
        return [text for text, wanted in zip(values, there.tolist(), strict=True) if wanted]
    return values[there]


@contextmanager
def _places(kept: list[NDArray[np.intp]], source: TableSource) -> Generator[None]:
    """Raise errors about a row of a batch as errors about the row and column of the dataset."""
    try:
        yield
    except InvalidRequest as error:
        columns = {"labels": source.target, "targets": source.target, "weights": source.weight}
        match error.place:
            case ("batches", int(batch), "table", "rows", int(row), *rest):
                place = Place("rows", int(kept[batch][row]), *rest)
            case ("batches", int(batch), str(part), int(row), *_) if part in columns:
                place = Place("rows", int(kept[batch][row]), columns[part])
            case ("batches", int(), str(part), *_) if part in columns:
                place = Place(columns[part])
            case ("batches", *_):
                place = Place("dataset")
            case other:
                place = Place(*other)
        raise type(error)(error.detail, pointer=place, reason=error.reason) from error
