"""Jobs that a worker of the same process works on: stores that fail, and what became of a job."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from layerwise_service.domain.jobs import Claim, Job
from layerwise_service.stores.schema import jobs
from layerwise_service.wiring import Stores


def failure(job: Job) -> tuple[str, str]:
    assert job.failure is not None
    return job.failure.reason, job.failure.message


def failing(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *errors: Exception) -> list[tuple[Any, ...]]:
    """Lets the method `name` raise `errors` before it does its work; gives the arguments of each call."""
    act = getattr(owner, name)
    calls: list[tuple[Any, ...]] = []

    def fail(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments[1:])
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return act(*arguments, **named)

    monkeypatch.setattr(owner, name, fail)
    return calls


def story(job: Job) -> list[tuple[str, str]]:
    return [(change.state, change.reason) for change in job.transitions]


def end_as_cancelled(stores: Stores, claim: Claim) -> None:
    """Cancel a job that a worker holds, and let the worker leave it."""
    stores.job_control.cancel(claim.job.id)
    stores.leases.release(claim)


def forget_back_off(stores: Stores) -> None:
    """Let the time pass that a job waits after it has lost its worker."""
    with stores.database.write() as connection:
        connection.execute(sa.update(jobs).values(not_before=None))
