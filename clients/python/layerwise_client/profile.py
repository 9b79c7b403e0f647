"""Profiles of datasets: what their columns hold, and what to know before training on them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

from layerwise_client._data.task import task_name

if TYPE_CHECKING:
    from layerwise_proto.v1 import profiles_pb2


@dataclass(frozen=True, slots=True)
class NumberSummary:
    """Numbers of a column.

    Attributes
    ----------
    minimum, q05, q25, median, q75, q95, maximum : float
        The least and the largest number, and quantiles: 5, 25, 50, 75 and 95 % of the numbers are at most as large.
    mean, deviation : float
        Mean and standard deviation of a sample.
    """

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
    """Dates or times of day of a column.

    Attributes
    ----------
    first, last : str
        In ISO 8601, or as 14:05:30.
    """

    first: str
    last: str


@dataclass(frozen=True, slots=True)
class LengthSummary:
    """The number of characters of the texts of a column.

    Attributes
    ----------
    shortest : int
        That of the shortest text.
    mean : float
        Their mean.
    longest : int
        That of the longest text.
    """

    shortest: int
    mean: float
    longest: int


@dataclass(frozen=True, slots=True)
class TopValue:
    """One of the most frequent values of a column.

    Attributes
    ----------
    value : str
        The value as a text; the beginning of a long one.
    rows : int
        Number of rows that have it.
    share : float
        Their share of the rows that were looked at.
    """

    value: str
    rows: int
    share: float


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a column holds, in the rows that were looked at.

    Attributes
    ----------
    name : str
        Name of the column.
    kind : str
        "number", "boolean", "date", "time", "category" or "text".
    gaps : int
        Number of all rows without a value.
    distinct : int
        Number of different values.
    numbers : NumberSummary or None
        Of numbers.
    dates : DateSummary or None
        Of dates and times of day.
    lengths : LengthSummary or None
        Of categories and texts.
    top : tuple of TopValue
        The most frequent values; none if every row has another.
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
class DatasetFinding:
    """Something to know before training on a dataset.

    Attributes
    ----------
    reason : str
        A stable word, such as GIVES_TARGET_AWAY.
    columns : tuple of str
        The columns that it is about; none if it is about the rows.
    message : str
        A sentence for people.
    flag : str
        The option of `layerwise train` that settles it, "" if there is none.
    """

    reason: str
    columns: tuple[str, ...]
    message: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the columns of a dataset hold, and what to know before training on it. `Dataset.profile` returns it.

    Attributes
    ----------
    dataset : str
        Id of the dataset.
    rows, sampled_rows : int
        Number of its rows, and of those that were looked at.
    target : str or None
        Column to predict.
    task : str or None
        What the target is taken for: "classification" or "regression".
    why : str
        Why it is taken for that.
    columns : tuple of ColumnProfile
        The columns in the order of the dataset.
    findings : tuple of DatasetFinding
        The gravest first.
    """

    dataset: str
    rows: int
    sampled_rows: int
    target: str | None
    task: str | None
    why: str
    columns: tuple[ColumnProfile, ...]
    findings: tuple[DatasetFinding, ...]


S = TypeVar("S", NumberSummary, DateSummary, LengthSummary)


def profile_of(message: profiles_pb2.Profile) -> Profile:
    """Return the profile of a message."""
    return Profile(
        dataset=message.dataset,
        rows=message.rows,
        sampled_rows=message.sampled_rows,
        target=message.target or None,
        task=task_name(message.task),
        why=message.why,
        columns=tuple(map(_column_of, message.columns)),
        findings=tuple(map(dataset_finding_of, message.findings)),
    )


def dataset_finding_of(message: profiles_pb2.DatasetFinding) -> DatasetFinding:
    """Return the finding of a message."""
    return DatasetFinding(message.reason, tuple(message.columns), message.message, message.flag)


def _column_of(message: profiles_pb2.ColumnProfile) -> ColumnProfile:
    def own(part: str, kind: type[S]) -> S | None:
        """Return a part of the message as an object with the same fields, None if it is not set."""
        values = getattr(message, part)
        return kind(*(getattr(values, each.name) for each in fields(kind))) if message.HasField(part) else None  # type: ignore[arg-type]

    return ColumnProfile(
        name=message.name,
        kind=message.kind,
        gaps=message.gaps,
        distinct=message.distinct,
        numbers=own("numbers", NumberSummary),
        dates=own("dates", DateSummary),
        lengths=own("lengths", LengthSummary),
        top=tuple(TopValue(each.value, each.rows, each.share) for each in message.top),
    )
