"""The states of jobs, which state may follow which, and why a job changes its state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class JobState(StrEnum):
    """The states of a job."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether the job goes on only if it is resumed."""
        return self in ENDED


FOLLOWING: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED}),
    # back to QUEUED: its worker was stopped or lost
    JobState.RUNNING: frozenset(
        {
            JobState.QUEUED,
            JobState.WAITING,
            JobState.PAUSED,
            JobState.CANCELLING,
            JobState.SUCCEEDED,
            JobState.FAILED,
        }
    ),
    # its worker has it, but cannot go on: the disk is full, or a store is away
    JobState.WAITING: frozenset(
        {
            JobState.QUEUED,
            JobState.RUNNING,
            JobState.PAUSED,
            JobState.CANCELLING,
            JobState.SUCCEEDED,
            JobState.FAILED,
        }
    ),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    # its worker has it, and does not know yet
    JobState.CANCELLING: frozenset({JobState.CANCELLED}),
    # a job that has ended may be resumed
    JobState.SUCCEEDED: frozenset({JobState.QUEUED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset({JobState.QUEUED}),
}
HELD = (JobState.RUNNING, JobState.WAITING, JobState.CANCELLING)
"""The states of a job that a worker holds."""
OPEN = (JobState.QUEUED, *HELD)
"""The states of a job that a worker has or will have."""
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
"""The states of a job that has ended."""
UNFINISHED = (*OPEN, JobState.PAUSED)
"""The states of a job that has not ended."""


class Wish(StrEnum):
    """What callers want of a job that a worker holds, or will hold."""

    CANCEL = "CANCEL"
    """Its state is CANCELLING meanwhile."""
    PAUSE = "PAUSE"
    FINISH = "FINISH"
    """End the training here, and publish what it has."""


class Reason(StrEnum):
    """Why a job changed its state. That of a failure is its reason, too."""

    SUBMITTED = "SUBMITTED"
    CLAIMED = "CLAIMED"
    RESUMED = "RESUMED"
    WORKER_LOST = "WORKER_LOST"
    WORKER_STOPPED = "WORKER_STOPPED"
    PUBLISHED = "PUBLISHED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    PAUSE_REQUESTED = "PAUSE_REQUESTED"
    RESUME_REQUESTED = "RESUME_REQUESTED"
    FINISH_REQUESTED = "FINISH_REQUESTED"
    NO_SPACE = "NO_SPACE"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"
    CONTINUED = "CONTINUED"
    DIVERGED = "DIVERGED"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIME_LIMIT = "TIME_LIMIT"
    STORAGE = "STORAGE"
    DATA = "DATA"
    INTERNAL = "INTERNAL"


FAILURES = (
    Reason.DIVERGED,
    Reason.OUT_OF_MEMORY,
    Reason.TIME_LIMIT,
    Reason.STORAGE,
    Reason.DATA,
    Reason.WORKER_LOST,
    Reason.INTERNAL,
)
"""The reasons for which a job fails."""
