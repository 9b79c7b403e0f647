"""The heartbeat of a worker: a thread that renews the lease while the main thread is busy with matrix products."""

from __future__ import annotations

import threading
from enum import Enum

from layerwise_service.domain.job_states import Wish
from layerwise_service.domain.jobs import Claim
from layerwise_service.process.loops import Loop
from layerwise_service.stores.leases import Fenced, Leases

_BEATS_PER_LEASE = 8  # a cancelled job with long epochs ends soon, and a few missed beats lose nothing
_BEATS_PER_SIGN = 4  # an idle worker reports more rarely that it lives: each report is a write to the disk


class Instruction(Enum):
    """What a worker has to do with the job that it holds."""

    CONTINUE = "continue"
    CANCEL = "cancel"
    PAUSE = "pause"
    DROP = "drop"  # another worker has the job now
    RELEASE = "release"  # this worker has to stop


_INSTRUCTIONS = {Wish.CANCEL: Instruction.CANCEL, Wish.PAUSE: Instruction.PAUSE}


class Heartbeat:
    """Heartbeat of `worker` until `close`. While a claim is held, it renews the lease and learns what callers want."""

    def __init__(self, leases: Leases, worker: str) -> None:
        self._leases = leases
        self._worker = worker
        self._claim: Claim | None = None
        self._progress = 0.0
        self._wish: Wish | None = None
        self._fenced = False
        self.stopping = False  # a plain flag, since a signal handler sets it: an Event's lock may be held at that time
        self._beats = 0
        self._lock = threading.Lock()
        self._loop = Loop("heartbeat", self._beat, every=leases.lease_seconds / _BEATS_PER_LEASE)
        self._loop.turn()
        self._loop.start()

    def hold(self, claim: Claim) -> None:
        """Renew the lease of `claim` from now on."""
        with self._lock:
            self._claim, self._progress, self._wish, self._fenced = claim, 0.0, claim.wish, False

    def drop_claim(self) -> None:
        """Renew no lease any more."""
        with self._lock:
            self._claim = None

    def instruction(self, *, progress: float) -> Instruction:
        """Return what to do now. `progress`, from 0 to 1, is stored with the next beat."""
        self._progress = progress
        if self._fenced:
            return Instruction.DROP
        told = _INSTRUCTIONS.get(self._wish, Instruction.CONTINUE) if self._wish else Instruction.CONTINUE
        return Instruction.RELEASE if self.stopping and told is Instruction.CONTINUE else told

    @property
    def finish(self) -> bool:
        """Whether the training of the job shall end where it is."""
        return self._wish is Wish.FINISH

    def learn(self, wish: Wish | None) -> None:
        """Take the newest wish, which a write of the worker has found."""
        self._wish = wish

    def close(self) -> None:
        self._loop.stop()

    def _beat(self) -> None:
        with self._lock:  # throughout: an instruction for one claim must not be taken for one for the next
            self._keep_lease()
        if self._beats % _BEATS_PER_SIGN == 0:
            self._leases.report_alive(self._worker)
        self._beats += 1  # not counted if a write failed: the next beat tries again

    def _keep_lease(self) -> None:
        if self._claim is None or self._fenced:
            return
        try:
            self._wish = self._leases.renew(self._claim, progress=self._progress)
        except Fenced:
            self._fenced = True
