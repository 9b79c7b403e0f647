"""A worker's sign of life, from a thread of its own: it keeps the lease while matrix products keep the other busy."""

from __future__ import annotations

import threading
from enum import Enum

from layerwise_service.domain.jobs import Claim
from layerwise_service.process.loops import Loop
from layerwise_service.stores.leases import Fenced, Leases

_BEATS_PER_LEASE = 8  # so that a cancelled job ends soon, and a few missed beats lose nothing
_BEATS_PER_SIGN = 4  # an idle worker says more rarely that it lives: each time is a write to the disk


class Order(Enum):
    """What a worker is to do with the job in its hands."""

    GO_ON = "go on"
    CANCEL = "cancel"
    DROP = "drop"  # it is another's now
    RELEASE = "release"  # the worker is told to stop


class Heartbeat:
    """Beats for `worker` until `close`; while a claim is held, keeps its lease and learns what to do with it."""

    def __init__(self, leases: Leases, worker: str) -> None:
        self._leases = leases
        self._worker = worker
        self._claim: Claim | None = None
        self._progress = 0.0
        self._order = Order.GO_ON
        self.stopping = False  # a plain flag: a signal handler sets it, and an event's lock may be held just then
        self._beats = 0
        self._lock = threading.Lock()
        self._loop = Loop("heartbeat", self._beat, every=leases.lease_seconds / _BEATS_PER_LEASE)
        self._loop.turn()
        self._loop.start()

    def hold(self, claim: Claim) -> None:
        """Keeps the lease of `claim` from now on."""
        with self._lock:
            self._claim, self._progress, self._order = claim, 0.0, Order.GO_ON

    def let_go(self) -> None:
        """Keeps no lease any more."""
        with self._lock:
            self._claim = None

    def order(self, *, progress: float) -> Order:
        """What to do now; `progress` is told with the next beat."""
        self._progress = progress
        if self._order is Order.GO_ON and self.stopping:
            return Order.RELEASE
        return self._order

    def close(self) -> None:
        self._loop.stop()

    def _beat(self) -> None:
        with self._lock:  # throughout: what is learnt of one claim must not be said of the next
            self._keep_lease()
        if self._beats % _BEATS_PER_SIGN == 0:
            self._leases.seen(self._worker)
        self._beats += 1  # a sign that could not be given comes with the next beat

    def _keep_lease(self) -> None:
        if self._claim is None or self._order is Order.DROP:
            return
        try:
            if self._leases.renew(self._claim, progress=self._progress):
                self._order = Order.CANCEL
        except Fenced:
            self._order = Order.DROP
