"""Waiting for space and for the stores: what a worker has trained stays in its memory until it can be written."""

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
from layerwise_service.worker.heartbeat import Order

log = structlog.get_logger()

T = TypeVar("T")

_FIRST_PAUSE, _MOST_PAUSE = 0.5, 5.0  # seconds between two tries
_LOOK_SECONDS = 0.05  # how soon an order is heard


class LeftWaiting(Exception):
    """The worker was ordered to leave the job while it waited."""

    def __init__(self, order: Order) -> None:
        super().__init__(order.value)
        self.order = order


class Patience:
    """Does for one claim what needs space or the stores, and waits for them as long as it takes.

    Meanwhile the job's state is WAITING with the reason, if that can be written.
    """

    def __init__(self, claim: Claim, leases: Leases) -> None:
        self._claim = claim
        self._leases = leases
        self._said = False  # that the job waits, in its state
        self._log = log.bind(job=claim.job.id, model=claim.job.model, attempt=claim.token)

    def until_done(self, act: Callable[[], T], *, order: Callable[[], Order], ends: bool = False) -> T:
        """What `act` gives. It is tried again as long as there is no space, no database, or no file system.

        `ends` says that the act ends the job or gives it away. Raises `LeftWaiting` when `order` says to leave the job,
        and `Fenced`. Errors that time does not mend are raised as they come.
        """
        pause, since, waits_for = _FIRST_PAUSE, time.monotonic(), ""
        while True:
            try:
                done = act()
                break
            except (IsADirectoryError, NotADirectoryError):
                raise  # something else stands in the place of a file
            except (NoSpace, Unavailable, OSError) as error:
                reason = _reason(error)
                if reason != waits_for:
                    self._log.warning("job_waits", reason=reason, error=str(error))
                waits_for = reason
            self._say(waits_for)
            self._sleep(pause, order)
            pause = min(pause * 2, _MOST_PAUSE)
        if waits_for:
            self._log.info("job_goes_on", waited_seconds=round(time.monotonic() - since, 1))
        if not ends:
            self.settle()
        return done

    def settle(self) -> None:
        """Makes the job's state RUNNING again, if it says that it waits; if that fails, a later call does."""
        if self._said:
            with suppress(ServiceError):
                self._leases.go_on(self._claim)
                self._said = False

    def _say(self, reason: str) -> None:
        if self._said or reason == Unavailable.reason:  # that is the database: it cannot be told there
            return
        with suppress(ServiceError):  # the same disk, perhaps
            self._leases.wait(self._claim, reason)
            self._said = True

    @staticmethod
    def _sleep(seconds: float, order: Callable[[], Order]) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if (said := order()) is not Order.GO_ON:
                raise LeftWaiting(said)
            time.sleep(min(left, _LOOK_SECONDS))


def _reason(error: NoSpace | Unavailable | OSError) -> str:
    return error.reason if isinstance(error, ServiceError) else storage_error(error).reason
