"""How a job ended: the error of one without a version, and the warning about a poor model."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING

from layerwise_client.errors import JobCancelled, JobFailed
from layerwise_client.results import Failure, PoorModelWarning

if TYPE_CHECKING:
    from layerwise_client.results import Snapshot, Summary

_LARGE = 100.0
"""Training rarely succeeds if the root mean square of inputs or targets is this large."""
_TABLES_ARE_SCALED = "; the service does so itself with the columns of a table, such as a DataFrame"


def check_succeeded(job: Summary) -> None:
    """Raise `JobFailed` or `JobCancelled` if the job ended that way."""
    if job.state == "FAILED":
        failure = job.failure or Failure("", "the service does not say why")
        failed = JobFailed(f"job {job.id} failed: {failure.message}", reason=failure.reason)
        failed.job_id = job.id
        raise failed
    if job.state == "CANCELLED":
        cancelled = JobCancelled(f"job {job.id} was cancelled")
        cancelled.job_id = job.id
        raise cancelled


def warn_of_poor_model(job: Snapshot) -> None:
    """Warn with `PoorModelWarning` for each finding that makes the model probably useless."""
    for finding in job.findings:
        if finding.kind == "baseline" or (finding.kind in ("inputs", "targets") and finding.value >= _LARGE):
            hint = _TABLES_ARE_SCALED if finding.kind == "inputs" else ""
            text = f"model {job.model}: {finding.message}{hint}"
            warnings.warn(text, PoorModelWarning, stacklevel=level_of_caller())


def level_of_caller() -> int:
    """Return the `stacklevel` with which a warning of the calling function points outside this package."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("layerwise_client."):
        level, frame = level + 1, frame.f_back
    return level
