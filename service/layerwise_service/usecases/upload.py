"""Use-case of training: receive the rows of a job, and queue it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from layerwise import Format, Loss, TableEncoder, metric_name
from layerwise.checks import counted
from layerwise.errors import Place
from layerwise_service.domain.datasets import Batch, Dataset, Label, Table
from layerwise_service.domain.job_notes import NO_NOTES, Notes
from layerwise_service.domain.jobs import Job, JSONObject, NewJob, Start, TableSource
from layerwise_service.domain.models import Version
from layerwise_service.domain.names import check_name
from layerwise_service.domain.specs import (
    Needs,
    check_batch,
    check_class_weight,
    check_manifest,
    check_optimizer,
    check_range,
    check_split,
    check_start,
    complete_plan,
    read_architecture,
    read_plan,
)
from layerwise_service.domain.table_datasets import as_read_by
from layerwise_service.domain.tables import (
    check_encoded,
    check_names,
    check_scaled_once,
    chosen_formats,
    encoded,
    first_rows,
    fit_encoder,
    formats_of,
    read_encoder,
    with_formats,
)
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.dataset_writer import check_label, stripped
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.table_reader import StoredTable

MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class Submission:
    """A request to train. `architecture`, `plan` and `encoder` are in their JSON form, as they were sent."""

    model: str
    architecture: JSONObject
    plan: JSONObject
    rows: int  # how many the caller will send
    request_id: str | None = None
    classes: Sequence[Label] | None = None
    start_from: tuple[str, str] | None = None  # model, and version or alias, "" for the latest
    encoder: JSONObject | None = None  # of a table; None: inferred from the values
    source: TableSource | None = None  # of a job on a dataset
    held_out: int = 0  # how many rows, the last ones, are held out, instead of the plan's fraction
    notes: Notes = NO_NOTES


class Upload:
    """The rows of one job while they are received. Ends with `submit()` or `discard()`."""

    def __init__(
        self,
        submission: Submission,
        origin: Version | None,
        jobs: JobStore,
        artifacts: ArtifactStore,
        settings: Settings,
    ) -> None:
        check_name(submission.model, pointer="model")
        if submission.request_id is not None and not 0 < len(submission.request_id) <= MAX_REQUEST_ID:
            detail = f"expected 1 to {MAX_REQUEST_ID} characters, got {len(submission.request_id)}"
            raise InvalidRequest(detail, pointer="request_id")
        if submission.rows < 1:
            detail = f"expected the number of rows that will be sent, at least 1, got {submission.rows}"
            raise InvalidRequest(detail, pointer="rows", reason="ROWS_MISSING")
        submission.notes.check()
        # what can be checked now is checked before a gigabyte is sent
        jobs.check_room(max_open=settings.max_queued_jobs, request_id=submission.request_id)
        artifacts.check()
        read_architecture(submission.architecture, None, settings)
        plan = read_plan(submission.plan, has_labels=None, settings=settings)
        classes = None if submission.classes is None else _check_classes(submission.classes, settings)
        if classes is not None:
            check_class_weight(plan, classes)
        self._encoder: TableEncoder | None = None  # of the version that it starts from
        if submission.encoder is not None:
            read_encoder(submission.encoder)
        elif origin is not None and (form := jobs.encoders.of_version(origin.model, origin.number)) is not None:
            self._encoder = TableEncoder.from_json(form)
        self._submission = submission
        self._form = submission.encoder
        self._booleans: dict[str, Format | None] = {}  # the columns of booleans, and how they are read
        self._origin = origin
        self._loss: Loss | None = None
        self._jobs = jobs
        self._artifacts = artifacts
        self._settings = settings
        self._writer = artifacts.new_dataset(
            classes=classes,
            max_features=settings.max_features,
            max_outputs=settings.max_units,
            max_label_bytes=settings.max_label_bytes,
            max_columns=settings.max_columns,
            max_text_bytes=settings.max_text_bytes,
            max_bytes=settings.max_dataset_bytes,
        )

    def add(self, batch: Batch) -> None:
        """Add a batch. Raises `InvalidRequest` with its place."""
        number = self._writer.batches
        if number == 0:
            self._take_kinds(batch)
            self._check_first(batch.rows, batch.y)
        if self._writer.rows + len(batch) > self._submission.rows:
            detail = f"expected {counted(self._submission.rows, 'row')}, as announced, got more"
            raise InvalidRequest(detail, pointer="rows", reason="TOO_MANY_ROWS")
        if self._loss is not None and isinstance(batch.y, np.ndarray):
            check_range(batch.y, self._loss, at=Place("batches", number, "targets"))
        batch = replace(batch, rows=self._as_stored(batch.rows))
        self._writer.add(batch)
        if self._encoder is not None and not isinstance(batch.rows, np.ndarray):
            at = Place("batches", number, "table")
            for _ in encoded(self._encoder, [batch.rows], lambda row: Place(at, "rows", row), table=at):
                pass  # encoded only to check that it can be

    def submit(self) -> Job:
        """Store the rows and queue the job, which is durable from then on."""
        sent = self._submission
        if sent.rows != self._writer.rows:
            detail = f"expected {counted(sent.rows, 'row')}, as announced, got {self._writer.rows:,}"
            raise InvalidRequest(detail, pointer="rows", reason="ROWS_MISSING")
        dataset = self._writer.finish()
        shape = dataset.shape
        has_labels = shape.labels is not None
        plan = read_plan(sent.plan, has_labels=has_labels, settings=self._settings)
        check_split(plan, shape.rows, has_labels=has_labels, held_out=sent.held_out)
        check_class_weight(plan, shape.labels)
        encoder = None if shape.columns is None else self._fitted_encoder(dataset)
        if encoder is not None:
            check_scaled_once(encoder, sent.architecture)
        features = shape.features if encoder is None else encoder.width
        or_one_output = has_labels and plan.loss.classes(1) == shape.outputs
        needs = Needs(features, shape.outputs, has_labels, or_one_output)
        architecture = read_architecture(sent.architecture, needs, self._settings)
        check_optimizer(plan, architecture)
        if encoder is not None:
            check_batch(plan, architecture, shape.rows, self._settings)
        plan = complete_plan(plan, architecture, shape.rows, self._settings, held_out=sent.held_out)
        start = None
        if (origin := self._origin) is not None:
            check_start(architecture, shape.labels, origin)
            start = Start(origin.model, origin.number, origin.sha256)
        content = [sent.model, sent.architecture, sent.plan, dataset.sha256, None if start is None else str(start)]
        content += [] if self._form is None else [self._form]
        content += [{"held_out": sent.held_out}] if sent.held_out else []
        job = NewJob(
            model=sent.model,
            architecture=dict(architecture.to_json()),
            plan=dict(plan.to_json()),
            dataset=dataset.sha256,
            metric=metric_name(plan.loss),
            fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
            request_id=sent.request_id,
            start=start,
            preprocessing=None if encoder is None else encoder.to_json(),
            source=sent.source,
            held_out=sent.held_out,
            notes=sent.notes,
        )
        check_manifest(job, shape.labels)
        self._artifacts.keep(self._writer, dataset)
        return self._jobs.submit(job, dataset, max_open=self._settings.max_queued_jobs)

    def discard(self) -> None:
        """Remove the rows received so far."""
        self._writer.discard()

    def _fitted_encoder(self, dataset: Dataset) -> TableEncoder:
        """Return the encoder of the stored columns: that of the origin, or a new one fitted on them."""

        def row_at(row: int) -> Place:
            batch, own = self._writer.place_of(row)
            return Place("batches", batch, "table", "rows", own)

        encoder, shape = self._encoder, dataset.shape
        if encoder is None:
            table = StoredTable(self._writer.folder, shape)
            trained = first_rows(table.blocks(), shape.rows - self._submission.held_out)
            encoder = fit_encoder(self._form or {}, trained, row_at)
        check_encoded(encoder.width, rows=shape.rows, outputs=shape.outputs, settings=self._settings)
        return encoder

    def _take_kinds(self, batch: Batch) -> None:
        """Choose the formats of columns whose kinds the caller knows, unless a fitted encoder has its own."""
        if isinstance(batch.rows, np.ndarray) or not batch.kinds:
            return
        if self._encoder is None:
            self._form = with_formats(self._form, formats_of(batch.kinds, batch.rows))
            formats = chosen_formats(self._form)
        else:
            formats = {column.name: column.format for column in self._encoder.columns}
        self._booleans = {name: formats.get(name) for name, kind in batch.kinds.items() if kind == "boolean"}

    def _as_stored(self, rows: NDArray[np.float32] | Table) -> NDArray[np.float32] | Table:
        """Return the rows as they are stored, so that the encoder reads booleans as what they are."""
        if isinstance(rows, np.ndarray):
            return rows
        read = {name: as_read_by(form, "boolean", rows[name]) for name, form in self._booleans.items() if name in rows}
        return {**rows, **read}

    def _check_first(self, rows: NDArray[np.float32] | Table, y: Sequence[Label] | NDArray[np.float32]) -> None:
        """Check the first batch against all limits, before a gigabyte is sent."""
        sent, settings = self._submission, self._settings
        has_labels = not isinstance(y, np.ndarray)
        plan = read_plan(sent.plan, has_labels=has_labels, settings=settings)
        self._loss = plan.loss
        if not has_labels:
            check_class_weight(plan, None)
        check_split(plan, sent.rows, has_labels=has_labels, held_out=sent.held_out)
        at = Place("batches", 0, "rows")
        if not isinstance(rows, np.ndarray):
            at = Place("batches", 0, "table")
            self._check_first_table(rows, at)
            if self._encoder is None:
                return  # the encoder is fitted, and its width known, when all rows have arrived
            features = self._encoder.width
        elif sent.encoder is not None or self._encoder is not None:
            if self._origin is None:
                raise InvalidRequest("an encoder needs a table, but the rows are numbers", pointer="encoder")
            detail = f"{self._origin} was trained on a table and continues with one; got rows of numbers"
            raise InvalidRequest(detail, pointer="start_from")
        elif rows.ndim != 2 or rows.shape[1] == 0:
            return  # the writer reports what is wrong with them
        else:
            features = rows.shape[1]
        architecture = read_architecture(sent.architecture, Needs(features, None, has_labels), settings)
        check_optimizer(plan, architecture)
        check_batch(plan, architecture, sent.rows, settings)
        outputs = y.shape[1] if isinstance(y, np.ndarray) and y.ndim == 2 else 1
        size = sent.rows * (features + outputs) * 4
        if size > settings.max_dataset_bytes:
            detail = (
                f"{counted(sent.rows, 'row')} of this width need {size:,} bytes, "
                f"a dataset may have {settings.max_dataset_bytes:,}"
            )
            raise TooLarge(detail, pointer=at, reason="DATASET_TOO_LARGE")

    def _check_first_table(self, table: Table, at: Place) -> None:
        sent, most = self._submission, self._settings.max_dataset_bytes
        if self._origin is not None and self._encoder is None:
            detail = f"{self._origin} was trained on rows of numbers and continues with them; got a table"
            raise InvalidRequest(detail, pointer="start_from")
        check_names(sent.encoder or {}, table)
        if self._encoder is None:
            check_scaled_once(read_encoder(self._form or {}), sent.architecture, table)
        if (size := sent.rows * len(table) * 8) > most:
            detail = f"{counted(sent.rows, 'row')} of these columns need at least {size:,} bytes"
            detail += f", a dataset may have {most:,}"
            raise TooLarge(detail, pointer=at, reason="DATASET_TOO_LARGE")


def started(submission: Submission, origin: Version) -> Submission:
    """Return the submission, its missing parts taken from the version `origin` that it starts from."""
    if submission.encoder is not None:
        detail = f"no encoder may be given together with start_from, since that of {origin} is used"
        raise InvalidRequest(detail, pointer="encoder")
    architecture = submission.architecture
    if not architecture.get("layers"):
        architecture = origin.architecture
    classes = origin.labels if submission.classes is None else submission.classes
    return replace(submission, architecture=architecture, classes=classes)


def _check_classes(classes: Sequence[Label], settings: Settings) -> Sequence[Label]:
    if len(classes) > settings.max_units:
        raise TooLarge(f"expected at most {settings.max_units} classes, got {len(classes)}", pointer="classes")
    classes = stripped(classes) if classes else classes
    for index, label in enumerate(classes):
        check_label(label, settings.max_label_bytes, Place("classes", index))
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise InvalidRequest(f"expected at least 2 different classes, got {list(classes)[:20]}", pointer="classes")
    return classes
