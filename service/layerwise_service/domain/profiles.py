"""The profile of a dataset: what its columns hold, and what its owner should know before training on it."""

from __future__ import annotations

from dataclasses import dataclass

from layerwise_service.domain.dataset_findings import DatasetFinding
from layerwise_service.domain.jobs import Task


@dataclass(frozen=True, slots=True)
class NumberSummary:
    """Numbers of a column: quantiles, interpolated, mean and sample standard deviation."""

    minimum: float
    q05: float
    q25: float
    median: float
    q75: float
    q95: float
    maximum: float
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class DateSummary:
    """The first and the last date of a column in ISO 8601, or time of day."""

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class LengthSummary:
    """The lengths of a column's texts, in characters."""

    shortest: int
    mean: float
    longest: int


@dataclass(frozen=True, slots=True)
class TopValue:
    """One of the most frequent values of a column, as a text, and its share of the sampled rows."""

    value: str
    rows: int
    share: float


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a column holds.

    `gaps` is the number of rows without a value among all rows; everything else is about the sampled rows. `distinct`
    is the number of different values. `top` has the most frequent values, none if every row has another.
    """

    name: str
    kind: str
    gaps: int
    distinct: int
    numbers: NumberSummary | None
    dates: DateSummary | None
    lengths: LengthSummary | None
    top: tuple[TopValue, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """The columns of a dataset and findings. `sampled_rows` is the number of rows that were looked at.

    `target` is "" and `task` None if no target was given; `why` says why the target is taken for that task.
    """

    dataset: str
    rows: int
    sampled_rows: int
    target: str
    task: Task | None
    why: str
    columns: tuple[ColumnProfile, ...]
    findings: tuple[DatasetFinding, ...]
