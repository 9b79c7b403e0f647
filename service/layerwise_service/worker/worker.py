"""The worker's loop: claim a job, work on it, look for the next."""

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

_IDLE_SECONDS = 0.25  # how long a new job may wait for an idle worker
_TROUBLED_SECONDS = 1.0


class Worker:
    """Takes jobs up one after the other until it is told to stop."""

    def __init__(
        self,
        worker: str,
        *,
        leases: Leases,
        jobs: JobStore,
        artifacts: ArtifactStore,
        threads: int,
        close: Callable[[], None],
    ) -> None:
        self._id = worker
        self._leases = leases
        self._jobs = jobs
        self._artifacts = artifacts
        self._threads = threads
        self._close = close
        self._heartbeat = Heartbeat(leases, worker)

    def run(self) -> None:
        """Works until `stop`, then closes what it was built on."""
        trouble = ""
        while not self._heartbeat.stopping:
            try:
                claim = self._leases.claim(self._id)
            except Exception as error:  # the worker's loop: what is wrong now may be mended
                if str(error) != trouble:  # once, not every second
                    log.warning("no_claim", error=str(error), exc_info=not isinstance(error, ServiceError))
                trouble = str(error)
                time.sleep(_TROUBLED_SECONDS)
                continue
            trouble = ""
            if claim is None:
                time.sleep(_IDLE_SECONDS)
                continue
            Attempt(
                claim,
                leases=self._leases,
                jobs=self._jobs,
                artifacts=self._artifacts,
                heartbeat=self._heartbeat,
                threads=self._threads,
            ).run()
        self._heartbeat.close()
        with suppress(ServiceError):  # else it is counted a while longer
            self._leases.lost(self._id, to_blame=False)  # a job that could not be given back at once
        self._close()

    def stop(self) -> None:
        """Gives the job in hand back after its current step, and ends `run`; may be called by a signal handler."""
        self._heartbeat.stopping = True
