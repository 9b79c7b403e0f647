"""The jobs of workers that died are requeued at once, rather than when their leases expire."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial

import structlog

from layerwise_service.errors import DatabaseUnusable, ServiceError
from layerwise_service.process.forking import ForkedProcess
from layerwise_service.settings import Settings
from layerwise_service.wiring import open_stores

log = structlog.get_logger()

_SECONDS = 5.0  # after which it is tried again; also how long the end of the service waits for it
_LOOK_SECONDS = 0.025


class Requeuing:
    """Requeues jobs in a process of its own, since the supervisor forks and must therefore leave the database alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lost: dict[
            str, bool
        ] = {}  # workers whose jobs are still to be requeued, and whether these may be to blame
        self._process: ForkedProcess | None = None
        self._given: Mapping[str, bool] = {}  # the workers that the process deals with
        self._again_at = 0.0

    @property
    def pids(self) -> set[int]:
        """The id of the process that runs, if one does."""
        return set() if self._process is None else {self._process.pid}

    def add(self, worker: str, *, to_blame: bool = True) -> None:
        """Note that a worker has ended. The loss counts against its job only if the job may be `to_blame`."""
        self._lost[worker] = to_blame

    def turn(self) -> None:
        """Start the process if there is a need, and see what came of it; does not wait."""
        if self._process is not None and self._process.poll() is not None:
            if self._process.returncode == 0:
                self._lost = {worker: blame for worker, blame in self._lost.items() if worker not in self._given}
            self._process = None
        if self._lost and self._process is None and time.monotonic() >= self._again_at:
            self._given = dict(self._lost)
            self._again_at = time.monotonic() + _SECONDS
            self._process = ForkedProcess(partial(_take_back, self._settings, self._given))

    def finish(self) -> None:
        """Requeue what is left. If that takes too long, the leases of the workers expire instead."""
        deadline = time.monotonic() + _SECONDS
        self._again_at = 0.0
        self.turn()
        while self._process is not None and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            self.turn()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _take_back(settings: Settings, workers: Mapping[str, bool]) -> None:
    try:
        with closing(open_stores(settings)) as stores:
            for worker, to_blame in workers.items():
                stores.leases.take_back_from(worker, to_blame=to_blame)
    except (DatabaseUnusable, ServiceError, OSError) as error:
        log.warning("jobs_not_requeued", error=str(error))
        raise SystemExit(1) from error
