"""Readiness: whether the service can accept and train jobs now, and whether it can answer predictions."""

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

_FRESH_SECONDS = 1.0  # however many callers ask, the disk is tried once a second
_PATIENCE_SECONDS = 0.5  # how long a caller waits for a running check
_SLOW_SECONDS = 2.0  # a check may take so long: a database is locked for a moment, a disk has slow moments
_RECENT_SECONDS = 5.0  # how old a result may be that is given while a check runs


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of each check: "ok", or what is wrong."""

    whole: Mapping[str, str]
    """Checks of what the whole service, training included, needs."""
    predictions: Mapping[str, str]
    """Checks of what predictions need: neither the database nor space on the disk, but a model that predicts."""


class Readiness:
    """Checks what the service needs: each part at most once a second, and none waits for another."""

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        *,
        predict: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        def check(run: Callable[[], None], slow: str) -> _Check:
            return _Check(run, f"no answer for {_SLOW_SECONDS:.0f} s: {slow}", clock, patience)

        self._database = check(database.check, "another process keeps the database locked, or its disk hangs")
        self._artifacts = check(artifacts.check, "the disk of the artefacts hangs")
        self._models = check(artifacts.check_models, "the disk of the artefacts hangs")
        self._predict = check(predict, "the disk of the artefacts hangs")
        self._lock = threading.Lock()
        self._wrong: Mapping[str, str] = {}

    def whole(self) -> Mapping[str, str]:
        """Return the checks of what the whole service, training included, needs."""
        database, artifacts = self._database.begin(), self._artifacts.begin()
        found = {"database": self._database.outcome(database), "artifacts": self._artifacts.outcome(artifacts)}
        self._log({name: outcome for name, outcome in found.items() if outcome != "ok"})
        return found

    def predictions(self) -> Mapping[str, str]:
        """Return the checks of what predictions need."""
        return self._predictions(self._models.begin(), self._predict.begin())

    def report(self) -> Report:
        """Return all checks."""
        models, predict = self._models.begin(), self._predict.begin()
        return Report(self.whole(), self._predictions(models, predict))

    def _predictions(self, models: bool, predict: bool) -> Mapping[str, str]:
        return {"models": self._models.outcome(models), "predictions": self._predict.outcome(predict)}

    def _log(self, wrong: Mapping[str, str]) -> None:
        with self._lock:
            before, self._wrong = self._wrong, wrong
        if wrong and wrong != before:
            log.warning("not_ready", **wrong)
        elif before and not wrong:
            log.info("ready_again")


class _Check:
    """One check, run in a thread of its own, since it may wait for a lock or a disk and its callers may not."""

    def __init__(self, run: Callable[[], None], slow: str, clock: Callable[[], float], patience: float) -> None:
        self._run = run
        self._slow = slow
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()
        self._found: str | None = None
        self._found_at = 0.0
        self._began: float | None = None  # when the running check began
        self._ended = threading.Event()

    def begin(self) -> bool:
        """Start the check unless it is running or its result is fresh; return whether it was started."""
        with self._lock:
            if self._began is not None or (self._found is not None and self._age() < _FRESH_SECONDS):
                return False
            self._began = time.monotonic()
            self._ended.clear()
            try:
                threading.Thread(target=self._try, name="readiness", daemon=True).start()
            except RuntimeError as error:
                self._end(f"cannot be checked: {error}")
            return True

    def outcome(self, begun: bool) -> str:
        """Return "ok" or what is wrong.

        The caller that has `begun` the check waits for it. Others do so only without a recent result: many of them
        would hold all threads of the process.
        """
        with self._lock:
            began = self._began
            wait = began is not None and (begun or self._found is None or self._age() >= _RECENT_SECONDS)
        if wait and began is not None:
            self._ended.wait(max(0.0, began + self._patience - time.monotonic()))
        with self._lock:
            if self._began is not None and time.monotonic() - self._began >= _SLOW_SECONDS:
                return self._slow
            return self._found or "the first check is under way"

    def _age(self) -> float:
        return self._clock() - self._found_at

    def _try(self) -> None:
        try:
            self._run()
        except ServiceError as error:
            found = error.detail
        except Exception as error:
            log.error("check_failed", exc_info=error)
            found = "the check failed; the log of the service has the details"
        else:
            found = "ok"
        with self._lock:
            self._end(found)

    def _end(self, found: str) -> None:
        self._found, self._found_at, self._began = found, self._clock(), None
        self._ended.set()
