"""Retrying while the disk is full or the stores are away: what was trained stays in the worker's memory meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from layerwise_service.domain.jobs import Claim
from layerwise_service.errors import NoSpace, ServiceError, Unavailable
from layerwise_service.stores.files import storage_error
from layerwise_service.stores.leases import Leases
from layerwise_service.worker.heartbeat import Instruction

log = structlog.get_logger()

T = TypeVar("T")

_FIRST_PAUSE, _MOST_PAUSE = 0.5, 5.0  # seconds between two tries
_LOOK_SECONDS = 0.05  # between two looks for an instruction


class Interrupted(Exception):
    """The worker was instructed to leave the job."""

    def __init__(self, instruction: Instruction) -> None:
        super().__init__(instruction.value)
        self.instruction = instruction


class Retrier:
    """Runs actions of one claim, each again and again until disk and stores allow it.

    Meanwhile the job's state is WAITING with the reason, if that can be written.
    """

    def __init__(self, claim: Claim, leases: Leases, *, make_room: Callable[[], None] = lambda: None) -> None:
        """`make_room` is called when the disk is full, to remove what can be done without."""
        self._claim = claim
        self._make_room = make_room
        self._leases = leases
        self._state_is_waiting = False
        self._log = log.bind(job=claim.job.id, model=claim.job.model, attempt=claim.token)

    def until_done(self, act: Callable[[], T], *, instruction: Callable[[], Instruction], ends: bool = False) -> T:
        """Return the result of `act`, which is retried while there is no space, no database, or no file system.

        `ends`: `act` ends the job or gives it back, so its state is not set to RUNNING afterwards. Raises
        `Interrupted` when `instruction` says to leave the job. Errors that a retry cannot help are raised at once.
        """
        pause, since, waits_for = _FIRST_PAUSE, time.monotonic(), ""
        while True:
            try:
                done = act()
                break
            except (IsADirectoryError, NotADirectoryError):
                raise  # a retry cannot help: a file is where a folder should be, or the other way round
            except (NoSpace, Unavailable, OSError) as error:
                reason = _reason(error)
                if reason != waits_for:
                    self._log.warning("job_waits", reason=reason, error=str(error))
                waits_for = reason
            if waits_for == NoSpace.reason:
                self._make_room()
            self._set_waiting(waits_for)
            self._sleep(pause, instruction)
            pause = min(pause * 2, _MOST_PAUSE)
        if waits_for:
            self._log.info("job_continues", waited_seconds=round(time.monotonic() - since, 1))
        if not ends:
            self.settle()
        return done

    def settle(self) -> None:
        """Set the job's state from WAITING back to RUNNING; if that fails, the next call tries again."""
        if self._state_is_waiting:
            with suppress(ServiceError):
                self._leases.resume(self._claim)
                self._state_is_waiting = False

    def _set_waiting(self, reason: str) -> None:
        if self._state_is_waiting or reason == Unavailable.reason:  # the database itself is away
            return
        with suppress(ServiceError):  # the database may be on the same full disk
            self._leases.wait(self._claim, reason)
            self._state_is_waiting = True

    @staticmethod
    def _sleep(seconds: float, instruction: Callable[[], Instruction]) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if (found := instruction()) is not Instruction.CONTINUE:
                raise Interrupted(found)
            time.sleep(min(left, _LOOK_SECONDS))


def _reason(error: NoSpace | Unavailable | OSError) -> str:
    return error.reason if isinstance(error, ServiceError) else storage_error(error).reason
