"""Use-cases of training: take rows in, queue a job on them, tell of jobs, cancel them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerwise import metric_name
from layerwise_service.datasets import Label
from layerwise_service.errors import InvalidRequest, TooLarge
from layerwise_service.jobs import Event, Job, JobState, JSONObject, NewJob
from layerwise_service.names import check_name
from layerwise_service.settings import Settings
from layerwise_service.specs import Needs, check_split, read_architecture, read_plan
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_store import JobStore

MAX_PAGE = 1_000
DEFAULT_PAGE = 100
MAX_REQUEST_ID = 128


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to be trained. `architecture` and `plan` are as they were sent, in their JSON form."""

    model: str
    architecture: JSONObject
    plan: JSONObject
    request_id: str | None = None
    classes: Sequence[Label] | None = None
    rows: int | None = None  # how many will come, if the sender said so


class Training:
    """Everything that a caller can do with jobs."""

    def __init__(self, jobs: JobStore, artifacts: ArtifactStore, settings: Settings) -> None:
        self._jobs = jobs
        self._artifacts = artifacts
        self._settings = settings

    def upload(self, submission: Submission) -> Upload:
        """Begins to take the rows of a job in. Raises `InvalidRequest` for what can be seen before they come."""
        return Upload(submission, self._jobs, self._artifacts, self._settings)

    def get(self, job: str) -> Job:
        """Raises `JobNotFound`."""
        return self._jobs.get(job)

    def page(
        self, *, model: str = "", state: JobState | None = None, page_size: int = 0, page_token: str = ""
    ) -> tuple[list[Job], str]:
        """A page of jobs, newest first, and the token of the next page, empty on the last."""
        limit = check_page_size(page_size)
        found = self._jobs.page(model=model, state=state, limit=limit + 1, before=page_token)
        return found[:limit], found[limit - 1].id if len(found) > limit else ""

    def cancel(self, job: str) -> Job:
        """Raises `JobNotFound`."""
        return self._jobs.cancel(job)

    def events(self, job: str, *, after: int) -> list[Event]:
        """What happened to the job after its event number `after`."""
        return self._jobs.events(job, after=after)

    def last_events(self, jobs: Collection[str]) -> Mapping[str, int]:
        """Number of the newest event of each job."""
        return self._jobs.last_events(jobs)


class Upload:
    """The rows of one job, on their way in. Ends with `submit()` or `discard()`."""

    def __init__(self, submission: Submission, jobs: JobStore, artifacts: ArtifactStore, settings: Settings) -> None:
        check_name(submission.model, pointer="model")
        if submission.request_id is not None and not 0 < len(submission.request_id) <= MAX_REQUEST_ID:
            detail = f"expected 1 to {MAX_REQUEST_ID} characters, got {len(submission.request_id)}"
            raise InvalidRequest(detail, pointer="request_id")
        jobs.check_room(max_open=settings.max_queued_jobs)  # before a gigabyte is sent for nothing
        read_architecture(submission.architecture, None, settings)
        read_plan(submission.plan, has_labels=None, settings=settings)
        classes = None if submission.classes is None else _check_classes(submission.classes, settings.max_units)
        self._submission = submission
        self._jobs = jobs
        self._artifacts = artifacts
        self._settings = settings
        self._writer = artifacts.new_dataset(
            classes=classes,
            max_bytes=settings.max_dataset_bytes,
            max_features=settings.max_features,
            max_outputs=settings.max_units,
        )

    def add(self, rows: NDArray[np.float32], expected: Sequence[Label] | NDArray[np.float32]) -> None:
        """Adds a batch: `rows` (n, features), and labels (n,), or targets (n,) or (n, outputs)."""
        if self._writer.batches == 0:  # so that nobody sends a gigabyte for a network that cannot be
            has_labels = not isinstance(expected, np.ndarray)
            read_plan(self._submission.plan, has_labels=has_labels, settings=self._settings)
            if rows.ndim == 2 and rows.shape[1] > 0:
                needs = Needs(rows.shape[1], None, has_labels)
                read_architecture(self._submission.architecture, needs, self._settings)
        self._writer.add(rows, expected)

    def submit(self) -> Job:
        """Stores the rows and queues the job: from here on it is durable."""
        sent = self._submission
        if sent.rows is not None and sent.rows != self._writer.rows:
            detail = f"expected {sent.rows} rows, as the header says, got {self._writer.rows}"
            raise InvalidRequest(detail, pointer="rows", reason="ROWS_MISSING")
        dataset = self._writer.finish()
        shape = dataset.shape
        has_labels = shape.labels is not None
        plan = read_plan(sent.plan, has_labels=has_labels, settings=self._settings)
        check_split(plan, shape.rows)
        needs = Needs(shape.features, shape.outputs, has_labels)
        architecture = read_architecture(sent.architecture, needs, self._settings)
        content = [sent.model, sent.architecture, sent.plan, dataset.sha256]
        job = NewJob(
            model=sent.model,
            architecture=dict(architecture.to_json()),
            plan=dict(plan.to_json()),
            dataset=dataset.sha256,
            metric=metric_name(plan.loss),
            fingerprint=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
            request_id=sent.request_id,
        )
        self._artifacts.keep(self._writer, dataset)
        return self._jobs.submit(job, dataset, max_open=self._settings.max_queued_jobs)

    def discard(self) -> None:
        """Removes what came."""
        self._writer.discard()


def check_page_size(size: int) -> int:
    """Rows of a page; 0 asks for the default. Raises `InvalidRequest`."""
    if not 0 <= size <= MAX_PAGE:
        raise InvalidRequest(f"expected 0 to {MAX_PAGE}, got {size}", pointer="page_size")
    return size or DEFAULT_PAGE


def _check_classes(classes: Sequence[Label], most: int) -> Sequence[Label]:
    if len(classes) > most:
        raise TooLarge(f"expected at most {most} classes, got {len(classes)}", pointer="classes")
    if len(set(classes)) != len(classes) or len(classes) < 2:
        raise InvalidRequest(f"expected at least 2 different classes, got {list(classes)[:20]}", pointer="classes")
    return classes
