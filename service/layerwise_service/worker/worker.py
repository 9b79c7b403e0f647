"""The worker's loop: claim a job, train it, look for the next."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from layerwise_service.errors import ServiceError
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Leases
from layerwise_service.worker.attempt import Attempt
from layerwise_service.worker.heartbeat import Heartbeat

log = structlog.get_logger()

_IDLE_SECONDS = 0.5  # between two looks for a job, if nobody writes to the database
_TROUBLED_SECONDS = 1.0


class Worker:
    """Trains one job after the other until `stop` is called."""

    def __init__(
        self,
        worker: str,
        *,
        leases: Leases,
        jobs: JobStore,
        artifacts: ArtifactStore,
        threads: int,
        checkpoint_seconds: float,
        resumable_jobs: int,
        close: Callable[[], None],
    ) -> None:
        self._id = worker
        self._leases = leases
        self._jobs = jobs
        self._artifacts = artifacts
        self._threads = threads
        self._checkpoint_seconds = checkpoint_seconds
        self._resumable_jobs = resumable_jobs
        self._close = close
        self._heartbeat = Heartbeat(leases, worker)

    def run(self) -> None:
        """Work until `stop`, then close the stores."""
        trouble = ""
        while not self._heartbeat.stopping:
            try:
                claim = self._leases.claim(self._id)
            except Exception as error:  # the worker's loop: the cause may be repaired while it waits
                if str(error) != trouble:  # log it once, not every second
                    log.warning("no_claim", error=str(error), exc_info=not isinstance(error, ServiceError))
                trouble = str(error)
                time.sleep(_TROUBLED_SECONDS)
                continue
            trouble = ""
            if claim is None:
                self._leases.wait_for_job(_IDLE_SECONDS)
                continue
            Attempt(
                claim,
                leases=self._leases,
                jobs=self._jobs,
                artifacts=self._artifacts,
                heartbeat=self._heartbeat,
                threads=self._threads,
                checkpoint_seconds=self._checkpoint_seconds,
                resumable_jobs=self._resumable_jobs,
            ).run()
        self._heartbeat.close()
        with suppress(ServiceError):  # if it fails, this worker is counted until it has been silent for long enough
            self._leases.take_back_from(self._id, to_blame=False)  # releases a job that could not be released before
        self._close()

    def stop(self) -> None:
        """Release the current job after its current step, and end `run`. May be called by a signal handler."""
        self._heartbeat.stopping = True
