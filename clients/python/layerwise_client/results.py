"""Jobs and their records as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerwise_client.source import Source

STATES = ("QUEUED", "RUNNING", "WAITING", "PAUSED", "CANCELLING", "SUCCEEDED", "FAILED", "CANCELLED")
_ENDED = STATES[5:]


@dataclass(frozen=True, slots=True)
class LayerHealth:
    """Health of one layer, measured over a sample of rows.

    Attributes
    ----------
    dead : float or None
        Share of its ReLU units that are 0 for every row; None for other activations.
    saturated : float or None
        Share of its sigmoid or tanh outputs whose derivative is almost 0; None for other activations.
    gradient_norm, weight_norm : float
        L2 norms of its gradient and of its weights.
    update_ratio : float
        L2 norm of the last step's change over `weight_norm`, usually about 1e-3.
    """

    dead: float | None
    saturated: float | None
    gradient_norm: float
    weight_norm: float
    update_ratio: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem that the doctor sees in a network during its training.

    Attributes
    ----------
    kind : str
        A stable word, such as dead, saturated, large_update, small_update, overfitting or inputs.
    layer : int or None
        The layer, from 0; None if the finding is not about one.
    value : float
        The number that caused the finding.
    since : int
        The epoch in which it was first seen.
    message : str
        What is wrong, and what may help.
    """

    kind: str
    layer: int | None
    value: float
    since: int
    message: str


class PoorModelWarning(UserWarning):
    """Warning that a job has succeeded, but its model is probably useless; it says why, and what may help."""


@dataclass(frozen=True, slots=True)
class Record:
    """State of a training after an epoch.

    Attributes
    ----------
    epoch, step : int
        Number of the epoch, and of its last step, from 1.
    loss, metric : float
        Loss and metric of the training rows during the epoch, weighted by row and by `class_weight`.
    validation_loss, validation_metric : float or None
        Loss and metric of the held-out rows; None if no rows are held out.
    learning_rate : float
        Learning rate of the last step.
    rows_per_second, seconds_left : float
        Speed of the training, and an estimate of the seconds until its end.
    layers : tuple of LayerHealth
        Health of each layer; empty in epochs in which it is not measured.
    findings : tuple of Finding
        New findings of the doctor.
    stopped : str or None
        Why training ended with this record: epochs, max_steps, max_seconds, early_stopping, converged or requested.
    kept : bool
        Whether the weights of this epoch become the version, unless a later record is kept too. If early stopping
        restores the best epoch, True for the best so far; otherwise True for every epoch.
    """

    epoch: int
    step: int
    loss: float
    metric: float
    validation_loss: float | None
    validation_metric: float | None
    learning_rate: float
    rows_per_second: float
    seconds_left: float
    layers: tuple[LayerHealth, ...] = ()
    findings: tuple[Finding, ...] = ()
    stopped: str | None = None
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a job's state.

    Attributes
    ----------
    state : str
        The new state.
    time : datetime
        Time of the change.
    reason : str
        Why it changed, such as CLAIMED or WORKER_LOST.
    attempt : int
        The attempt that was running.
    """

    state: str
    time: datetime
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed.

    Attributes
    ----------
    reason : str
        A stable word, such as DIVERGED.
    message : str
        What went wrong, and what may help.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Main facts of a job, as in a list of jobs.

    Attributes
    ----------
    id, model : str
        Id of the job, and name of the model that it trains.
    state : str
        QUEUED, RUNNING, WAITING, PAUSED, CANCELLING, SUCCEEDED, FAILED or CANCELLED.
    version : int or None
        Number of the version that it published; None before that.
    dataset : str
        SHA-256 of the rows.
    attempt : int
        Number of times that a worker has started it.
    created : datetime
        Time at which the service accepted it.
    progress : float
        Share of the training that is done, from 0 to 1.
    metric : str
        Name of the metric in its records: "accuracy" or "r2".
    failure : Failure or None
        Why it failed; None if it has not.
    start_from : str or None
        Version whose weights it started with, as "model/version"; None for new random weights.
    metric_value : float or None
        The metric of the newest record, or of the version: on the rows held out if there are any.
    rows : int
        Number of rows, those held out included.
    source_name : str or None
        Name of the dataset that it trains on; None if it has none, or the dataset was deleted since.
    started, finished : datetime or None
        When its first worker began, and when it ended.
    seconds : float
        How long workers have had it until now.
    labels : mapping of str to str
        Labels, by which jobs can be listed.
    note : str
        What somebody has noted about it.
    priority : int
        From -10 to 10; of the jobs that wait, one of a higher priority comes earlier.
    """

    id: str
    model: str
    state: str
    version: int | None
    dataset: str
    attempt: int
    created: datetime
    progress: float
    metric: str
    failure: Failure | None
    start_from: str | None = None
    metric_value: float | None = None
    rows: int = 0
    source_name: str | None = None
    started: datetime | None = None
    finished: datetime | None = None
    seconds: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    note: str = ""
    priority: int = 0

    @property
    def ended(self) -> bool:
        """Whether the job has succeeded, failed or been cancelled."""
        return self.state in _ENDED


@dataclass(frozen=True, slots=True)
class ColumnCounts:
    """Number of columns of a table by kind.

    Attributes
    ----------
    numbers, categories, dates, texts : int
        Number of columns of each kind.
    with_gaps : int
        Number of columns with an input for missing values, which training had.
    """

    numbers: int
    categories: int
    dates: int
    with_gaps: int
    texts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Summary):
    """All facts of a job when the service was last asked: those of its `Summary`, and more.

    Attributes
    ----------
    architecture, plan : mapping
        Architecture and plan in JSON form, with every size and setting filled in.
    transitions : tuple of Transition
        Newest 1,000 changes of the state, the newest last.
    record : Record or None
        Newest record; once there is a version, the record of the epoch whose weights it has.
    findings : tuple of Finding
        Problems that the doctor sees in the network, the newest last.
    columns : ColumnCounts or None
        Counts of the columns that the version takes; None if it was trained on rows of numbers. `Job.columns` has the
        columns themselves.
    source : Source or None
        The dataset that it was trained on, and how; None if its rows were sent with the job, as those of an array.
    held_out : int
        Number of rows held out, the last ones, if they were given as `validation`; 0 if the plan says which.
    """

    architecture: Mapping[str, Any]
    plan: Mapping[str, Any]
    transitions: tuple[Transition, ...]
    record: Record | None
    findings: tuple[Finding, ...] = ()
    columns: ColumnCounts | None = None
    source: Source | None = None
    held_out: int = 0
