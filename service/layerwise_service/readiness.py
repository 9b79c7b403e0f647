"""Whether the service can do its work now: take jobs in and train them, and answer predictions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from layerwise_service.errors import ServiceError
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.database import Database

log = structlog.get_logger()

_FRESH_SECONDS = 1.0  # however many ask, the disk is tried once a second


@dataclass(frozen=True, slots=True)
class Report:
    """What each check found: "ok", or what is wrong."""

    database: str
    artifacts: str
    models: str

    @property
    def whole(self) -> Mapping[str, str]:
        """What training needs, and so the service as a whole."""
        return {"database": self.database, "artifacts": self.artifacts}

    @property
    def predictions(self) -> Mapping[str, str]:
        """What predicting needs: it goes on without the database and on a full disk."""
        return {"models": self.models}


class Readiness:
    """Tries what the work needs, at most once a second."""

    def __init__(
        self, database: Database, artifacts: ArtifactStore, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._database = database
        self._artifacts = artifacts
        self._lock = threading.Lock()
        self._report = Report("ok", "ok", "ok")
        self._tried_at: float | None = None

    def report(self) -> Report:
        """Return what was found less than a second ago; who asks meanwhile waits for it."""
        with self._lock:
            if self._tried_at is None or self._clock() - self._tried_at >= _FRESH_SECONDS:
                before, self._report = self._report, self._try()
                self._tried_at = self._clock()
                if self._report != before:
                    self._tell()
            return self._report

    def _try(self) -> Report:
        return Report(
            _outcome(self._database.check), _outcome(self._artifacts.check), _outcome(self._artifacts.check_models)
        )

    def _tell(self) -> None:
        wrong = {name: said for name, said in self._report.whole.items() if said != "ok"}
        if wrong:
            log.warning("not_ready", **wrong)
        else:
            log.info("ready_again")


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except ServiceError as error:
        return error.detail
    return "ok"
