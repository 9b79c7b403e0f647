"""Jobs: what they are, their records and events. For their states see job_states.py."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from layerwise import Finding
from layerwise.tables.doubt import Doubt
from layerwise.training.records import EpochRecord
from layerwise_service.domain.columns import ColumnCounts
from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.domain.job_notes import NO_NOTES, Notes
from layerwise_service.domain.job_states import JobState, Wish
from layerwise_service.errors import MOST_DETAIL, cut

JSONObject = dict[str, object]

MOST_TRANSITIONS = 1_000
"""Transitions that are listed with a job: a job that is interrupted again and again has many more."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of state. `time` is in seconds since 1970, UTC."""

    state: JobState
    time: float
    reason: str
    attempt: int


def record_values(record: EpochRecord) -> dict[str, Any]:
    """Return the fields of an `EpochRecord` as plain values; empty lists are left out."""
    values = asdict(record)
    return {field.name: values[field.name] for field in fields(EpochRecord) if values[field.name] != ()}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed: a stable reason, and a message that is cut if it is too long for an answer."""

    reason: str
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", cut(self.message, MOST_DETAIL))


@dataclass(frozen=True, slots=True)
class Start:
    """The version whose weights a job starts with."""

    model: str
    version: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


class Task(StrEnum):
    """What a network predicts."""

    CLASSES = "CLASSES"
    AMOUNT = "AMOUNT"


@dataclass(frozen=True, slots=True)
class TableSource:
    """The dataset from which a job's rows were made, and how.

    `task` is what its `target` was taken for, and `why` in words. `left_out` is the number of rows without a target,
    `weight` the column with the weights of the rows, "" if there is none. `target_format`, in its JSON form, is how the
    cells of the target were read. The rows held out are those of the `validation_dataset`, or marked in the
    `validation_column`; without these, the plan says which they are. `doubts` are about the dataset, and about the
    columns that are used, which they name. `findings` are what a quick look at the dataset found.
    """

    dataset: str
    target: str
    task: Task
    why: str
    left_out: int
    ignored: tuple[str, ...]
    weight: str
    target_format: JSONObject | None = None
    validation_dataset: str = ""
    validation_column: str = ""
    doubts: tuple[Doubt, ...] = ()
    findings: tuple[DatasetFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """The summary of a job, as lists show it."""

    id: str
    model: str
    state: JobState
    dataset: str
    metric: str
    attempt: int
    created: float
    progress: float
    version: int | None = None
    failure: Failure | None = None
    start: Start | None = None
    metric_value: float | None = None
    """The metric of the newest record, or of the version: on the rows held out if there are any."""
    rows: int = 0
    source_name: str | None = None
    """The name of the dataset that it trains on; None if it has none, or was deleted since."""
    started: float | None = None
    """When its first worker began."""
    finished: float | None = None
    """When it ended."""
    seconds: float = field(default=0.0, compare=False)
    """How long workers have held it until now."""
    priority: int = 0
    labels: dict[str, str] = field(default_factory=dict[str, str])
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobSummary):
    """A training job. `architecture` and `plan` are in their JSON form, every size filled in."""

    architecture: JSONObject
    plan: JSONObject
    transitions: tuple[Transition, ...] = ()
    """The newest `MOST_TRANSITIONS`."""
    record: EpochRecord | None = None
    """The newest record; of a job with a version, the record of the kept weights, with the version's figures."""
    findings: tuple[Finding, ...] = ()
    """The doctor's findings as of the newest record."""
    columns: ColumnCounts | None = None
    """The number of columns of each kind, if the job is on a table."""
    held_out: int = 0
    """How many rows, the last ones, are held out. 0: the plan says which."""
    source: TableSource | None = None
    """The dataset that the job trains on; None if its rows were sent by `Train`."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to submit. Two submissions under one request id are the same job if their `fingerprint` is the same."""

    model: str
    architecture: JSONObject
    plan: JSONObject
    dataset: str
    metric: str
    fingerprint: str
    request_id: str | None = None
    start: Start | None = None
    preprocessing: JSONObject | None = None
    """The fitted encoder of a job on a table, in its JSON form."""
    held_out: int = 0
    source: TableSource | None = None
    notes: Notes = NO_NOTES


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs a list has: those for which all of this holds. Times are in seconds since 1970."""

    model: str = ""
    state: JobState | None = None
    created_after: float | None = None
    created_before: float | None = None
    labels: dict[str, str] = field(default_factory=dict[str, str])


ALL_JOBS = JobFilter()


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a job: a transition or a record. `number` counts them within the job."""

    number: int
    transition: Transition | None = None
    record: EpochRecord | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a job's training after `step`, in the file `name` with this hash."""

    name: str
    step: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that a worker holds. `token`, the number of the attempt, fences its writes.

    `checkpoints` are those of the attempts before, the newest first. `wish` is what callers want of the job.
    """

    job: Job
    token: int
    checkpoints: tuple[Checkpoint, ...] = ()
    wish: Wish | None = None
