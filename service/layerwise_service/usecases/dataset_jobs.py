"""Jobs on datasets: the target is decided, and the rows go the way of those that a caller sends."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from layerwise.checks import shown
from layerwise.errors import Place
from layerwise.tables.doubt import Doubt
from layerwise.tables.names import pandas_name
from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.domain.datasets import Batch, Table
from layerwise_service.domain.jobs import Job, JSONObject, TableSource, Task
from layerwise_service.domain.models import Version
from layerwise_service.domain.table_datasets import DatasetColumn, TableDataset, as_sent
from layerwise_service.domain.tables import listed, read_encoder, with_formats
from layerwise_service.domain.targets import TargetValues, check_learnable, decide_task, held_out_classes, target_values
from layerwise_service.errors import InvalidRequest, TooLarge, Unavailable
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.dataset_store import DatasetStore
from layerwise_service.usecases.dataset_parts import DatasetPart, chosen_rows
from layerwise_service.usecases.job_request import DatasetJob, check_columns, left_out
from layerwise_service.usecases.profiles import Profiles
from layerwise_service.usecases.training import TrainingJobs
from layerwise_service.usecases.upload import Submission, Upload


class DatasetJobs:
    """Creates jobs on datasets."""

    def __init__(
        self, datasets: DatasetStore, artifacts: ArtifactStore, training: TrainingJobs, profiles: Profiles
    ) -> None:
        self._datasets = datasets
        self._artifacts = artifacts
        self._training = training
        self._profiles = profiles

    def create(self, request: DatasetJob) -> Job:
        """Store the rows of the job and queue it, which is durable from then on.

        Raises `DatasetNotFound`, and `InvalidRequest` with the row and column of the dataset in its place.
        """
        dataset = self._datasets.find(request.dataset, pointer="dataset")
        request = replace(request, dataset=dataset.id)
        if request.validation_dataset:
            held_out_from = self._datasets.find(request.validation_dataset, pointer="validation_dataset")
            request = replace(request, validation_dataset=held_out_from.id)
        if request.encoder is not None:
            read_encoder(request.encoder)
        columns = {column.name: column for column in dataset.columns}
        origin = None if request.start_from is None else self._training.origin(*request.start_from)
        if origin is not None:  # the same one in all that follows, whatever is published meanwhile
            request = replace(request, start_from=(origin.model, str(origin.number)))
        unasked = left_out(request, dataset, () if origin is None else self._training.columns(origin))
        check_columns(request, columns, unasked)
        ignored, request = request.ignore, replace(request, ignore=(*request.ignore, *unasked))
        table = self._artifacts.open_table(dataset)
        target = columns[request.target]
        parts = [DatasetPart(table, marks=request.validation_column)]
        if request.validation_column:
            parts.append(DatasetPart(table, marks=request.validation_column, held_out=True))
        if request.validation_dataset:
            parts.append(self._validation(request, columns))
        values, *others = [part.values(target.name) for part in parts]
        task, why = _task(request.task, origin, target, values)
        check_learnable(target, values)
        held_out = sum(each.rows for each in others)
        if others:
            _check_held_out(others[0], task, target, request)
        source = TableSource(
            dataset=dataset.id,
            target=target.name,
            task=task,
            why=why,
            left_out=values.left_out + sum(each.left_out for each in others),
            ignored=tuple(request.ignore),
            weight=request.weight,
            target_format=dict(target.format),
            validation_dataset=request.validation_dataset,
            validation_column=request.validation_column,
            doubts=(*_doubts(dataset, ignored, unasked), *_unlearnt(parts, target, task)),
            findings=self._findings(request, task),
        )
        submission = _submission(request, dataset, source, rows=values.rows + held_out, held_out=held_out)
        upload = self._training.upload(submission)
        kept: list[tuple[str, NDArray[np.intp]]] = []  # of each batch, the place and the rows of the dataset
        try:
            with _places(kept, source):
                for part in parts:
                    _send(upload, part, dataset, submission, kept)
                return upload.submit()
        except BaseException:
            upload.discard()
            raise

    def _findings(self, request: DatasetJob, task: Task) -> tuple[DatasetFinding, ...]:
        """Return what a quick look at the dataset finds; nothing if that takes too long, or others are looked at."""
        unused = (request.weight, request.validation_column)
        try:
            return self._profiles.get(
                request.dataset,
                target=request.target,
                validation=request.validation_dataset,
                task=task,
                ignore=(*request.ignore, *filter(None, unused)),
                quick=True,
            ).findings
        except (TooLarge, Unavailable):
            return ()

    def _validation(self, request: DatasetJob, columns: Mapping[str, DatasetColumn]) -> DatasetPart:
        """Return the rows of the validation dataset, which has the columns of the other. Raises `InvalidRequest`."""
        if request.validation_dataset == request.dataset:
            raise InvalidRequest("expected another dataset than the one to train on", pointer="validation_dataset")
        dataset = self._datasets.get(request.validation_dataset, pointer="validation_dataset")
        there = {column.name: column for column in dataset.columns}
        for name, column in columns.items():
            if name in request.ignore:
                continue
            if name not in there:
                detail = f"there is no column {shown(name)}, which the training has; the columns are {listed(there)}"
                raise InvalidRequest(detail, pointer="validation_dataset", reason="COLUMN_NOT_FOUND")
            if _stored_as(there[name].kind) != _stored_as(column.kind):
                detail = f"expected a column of kind {column.kind}, as in the training, got {there[name].kind}"
                detail = f"{detail}, such as {there[name].example!r}: send it again with the formats of the other"
                raise InvalidRequest(f"{detail} dataset", pointer=Place("validation_dataset", "columns", name))
        return DatasetPart(self._artifacts.open_table(dataset), at="validation_dataset")


def _task(asked: Task | None, origin: Version | None, target: DatasetColumn, values: TargetValues) -> tuple[Task, str]:
    """Return what the target is taken for, and why: as is asked, as the version to start from, or by its values."""
    if asked is not None or origin is None:
        return decide_task(target, values, asked)
    task, _ = decide_task(target, values, Task.AMOUNT if origin.labels is None else Task.CLASSES)
    return task, f"as {origin} predicts"


def _stored_as(kind: str) -> str:
    return "text" if kind == "category" else kind


def _check_held_out(values: TargetValues, task: Task, target: DatasetColumn, request: DatasetJob) -> None:
    """Raise `InvalidRequest` unless there are rows held out, with targets that suit the `task`."""
    pointer = "validation_column" if request.validation_column else "validation_dataset"
    if not values.rows:
        raise InvalidRequest(f"no row that is held out has a value in {target.name!r}", pointer=pointer)
    if task is Task.CLASSES and target.kind == "number" and not values.numbers.whole:
        detail = f"{target.name!r} has numbers with fractions in the rows held out, which are no classes"
        raise InvalidRequest(detail, pointer=pointer)


def _doubts(dataset: TableDataset, ignored: Collection[str], unasked: Collection[str]) -> Iterator[Doubt]:
    """Yield the doubts about the dataset, and about its columns with their names, but those that the caller `ignored`.

    An index that is not left out `unasked` was chosen, so that there is no doubt.
    """
    yield from (doubt for doubt in dataset.doubts if doubt.column not in ignored)
    for column in dataset.columns:
        if column.name not in ignored and (column.name in unasked or not column.is_index):
            yield from (replace(doubt, column=column.name) for doubt in column.doubts)


def _unlearnt(parts: Sequence[DatasetPart], target: DatasetColumn, task: Task) -> Iterator[Doubt]:
    """Yield a doubt about classes that only rows held out have."""
    if len(parts) > 1 and task is Task.CLASSES:
        learnt, held_out = (part.labels(target) for part in parts)
        if only := {label: count for label, count in held_out.items() if label not in learnt}:
            yield held_out_classes(target.name, only)


def _submission(
    request: DatasetJob, dataset: TableDataset, source: TableSource, *, rows: int, held_out: int
) -> Submission:
    """Return what a caller would send: the encoder reads cells as those of the dataset were read."""
    encoder: JSONObject | None = request.encoder
    if request.start_from is None:  # else the encoder is that of the version
        given: dict[str, Any] = encoder or {}
        unused = [*source.ignored, *filter(None, (source.target, source.weight, source.validation_column))]
        in_pandas = filter(None, map(pandas_name, unused))  # rows to predict may have these names
        ignored = list(dict.fromkeys([*given.get("ignore", ()), *unused, *in_pandas]))
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
        held_out=held_out,
        notes=request.notes,
    )


def _send(
    upload: Upload,
    part: DatasetPart,
    dataset: TableDataset,
    submission: Submission,
    kept: list[tuple[str, NDArray[np.intp]]],
) -> None:
    """Give the rows with a target to `upload`; `kept` gets the place and the rows that each batch has."""
    source = submission.source
    assert source is not None
    kinds = {column.name: column.kind for column in dataset.columns}
    target = next(column for column in dataset.columns if column.name == source.target)
    unused = {source.target, source.weight, source.validation_column, *source.ignored}
    booleans = {name: kind for name, kind in kinds.items() if kind == "boolean" and name not in unused}
    for start, block, there in part.blocks(source.target):
        rows = np.flatnonzero(there)
        if len(rows):
            kept.append((part.at, rows + start))
            chosen = {name: chosen_rows(values, there) for name, values in block.items()}
            inputs: Table = {
                name: chosen[name] if name in booleans else as_sent(kinds[name], chosen[name])
                for name in kinds
                if name not in unused
            }
            expected = target_values(target, source.task, chosen[target.name])
            weights = np.asarray(chosen[source.weight], np.float32) if source.weight else None
            upload.add(Batch(inputs, expected, weights, booleans))


@contextmanager
def _places(kept: list[tuple[str, NDArray[np.intp]]], source: TableSource) -> Generator[None]:
    """Raise errors about a row of a batch as errors about the row and column of the dataset."""

    def place_of(batch: int, row: int, *rest: str | int) -> Place:
        at, rows = kept[batch]
        return Place(*([at] if at else []), "rows", int(rows[row]), *rest)

    try:
        yield
    except InvalidRequest as error:
        columns = {"labels": source.target, "targets": source.target, "weights": source.weight}
        match error.place:
            case ("batches", int(batch), "table", "rows", int(row), *rest):
                place = place_of(batch, row, *rest)
            case ("batches", int(batch), str(part), int(row), *_) if part in columns:
                place = place_of(batch, row, columns[part])
            case ("batches", int(), str(part), *_) if part in columns:
                place = Place(columns[part])
            case ("batches", int(batch), "table", "columns", str(column)):
                place = Place(kept[batch][0] or "dataset", "columns", column)
            case ("batches", *_):
                place = Place("dataset")
            case other:
                place = Place(*other)
        raise type(error)(error.detail, pointer=place, reason=error.reason) from error
