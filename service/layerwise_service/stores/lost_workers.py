"""What becomes of a job whose worker was lost. Each call is a part of a transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise.checks import counted
from layerwise_service.domain.job_states import JobState, Reason, Wish
from layerwise_service.domain.jobs import Claim
from layerwise_service.stores.database import now
from layerwise_service.stores.job_rows import read_job
from layerwise_service.stores.job_store import change_state
from layerwise_service.stores.schema import events, jobs

MOST_BACK_OFF = 60.0
"""The most seconds for which a job waits that has lost its worker again."""


def take_back(connection: Connection, held: Any, *, to_blame: bool, max_losses: int) -> None:
    """Requeue a job, given as its row, whose worker was lost, or fail it after too many losses.

    From the second loss on, it waits a while: others come first if it is to blame.
    """
    job = read_job(connection, held.id)
    losses = held.losses + to_blame
    columns: dict[str, Any] = {"worker": None, "losses": losses}
    if held.wish == Wish.CANCEL or held.state == JobState.CANCELLING:
        after, reason = JobState.CANCELLED, Reason.CANCEL_REQUESTED
    elif losses >= max_losses:
        after, reason = JobState.FAILED, Reason.WORKER_LOST
        message = f"its worker was lost in {counted(losses, 'attempt')}, perhaps for lack of memory; see the logs"
        columns |= {"failure_reason": reason, "failure_message": message}
    elif held.wish == Wish.PAUSE:
        after, reason = JobState.PAUSED, Reason.PAUSE_REQUESTED
    else:
        after, reason = JobState.QUEUED, Reason.WORKER_LOST if to_blame else Reason.WORKER_STOPPED
        if to_blame and losses > 1:
            columns["not_before"] = now() + min(MOST_BACK_OFF, 2.0**losses)
    if after is not JobState.QUEUED:
        columns["wish"] = None
    change_state(connection, job, after, reason, attempt=job.attempt, columns=columns)


def subtract_loss(connection: Connection, claim: Claim) -> None:
    """Subtract the loss that was counted when this claim's job was given to another worker."""
    loss = sa.select(events.c.number).where(
        events.c.job == claim.job.id, events.c.attempt == claim.token, events.c.reason == Reason.WORKER_LOST
    )
    counts = (jobs.c.id == claim.job.id) & (jobs.c.losses > 0) & loss.exists()
    connection.execute(sa.update(jobs).where(counts).values(losses=jobs.c.losses - 1))
