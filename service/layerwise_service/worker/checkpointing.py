"""Checkpoints of an attempt: when they are due, written beside the training, and read by the next attempt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np
import structlog

from layerwise import Finding, InvalidInput
from layerwise.training.records import EpochRecord
from layerwise.training.state import TrainingState
from layerwise_service.domain.jobs import Claim
from layerwise_service.errors import DataLoss, ServiceError
from layerwise_service.stores.checkpoint_store import Arrays, CheckpointStore
from layerwise_service.stores.leases import Fenced, Leases

log = structlog.get_logger()

MOST_SHARE = 0.02
"""The share of the time that checkpoints may take."""
ENDED_EARLY = "requested"
"""Why a training has stopped that callers ended."""
_TOLD = "told"  # the array with what was told of the training, beside those of its state


@dataclass(frozen=True, slots=True)
class Told:
    """What an attempt has told of its training so far: its newest record, the one that is kept, and all findings."""

    newest: EpochRecord | None = None
    kept: EpochRecord | None = None
    findings: tuple[Finding, ...] = ()
    found: tuple[tuple[str, int | None], ...] = ()
    """Kind and layer of each finding that was reported."""


class Checkpoints:
    """Stores the state of one attempt every `seconds`, or more rarely if that takes long."""

    def __init__(
        self,
        claim: Claim,
        leases: Leases,
        store: CheckpointStore,
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._claim = claim
        self._leases = leases
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._due_at = clock() + seconds
        self._writing: threading.Thread | None = None
        self._kept = claim.checkpoints
        self._log = log.bind(job=claim.job.id, attempt=claim.token)

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._clock() >= self._due_at and not self._is_writing

    def begin(self, state: TrainingState, told: Told) -> None:
        """Store a copy of `state` in a thread, while the training goes on. What was `told` must be stored already."""
        self.wait()  # the one before, so that they are noted in their order
        begin = self._clock()
        arrays = _arrays(state, told)
        self._writing = threading.Thread(target=self._write, args=(state.step, arrays, begin), daemon=True)
        self._writing.start()

    def finish(self, state: TrainingState, told: Told) -> None:
        """Store `state` now, unless that was done already."""
        self.wait()
        if not self._kept or self._kept[0].step != state.step:
            self._write(state.step, _arrays(state, told), self._clock())

    def wait(self) -> None:
        """Wait until nothing is being written."""
        if self._writing is not None:
            self._writing.join()

    def usable(self, until: Callable[[Callable[[], Arrays]], Arrays]) -> Iterator[tuple[TrainingState, Told]]:
        """Yield the states that attempts before have stored and that can be read, the newest first.

        `until` calls what it is given until the files can be read.
        """
        for checkpoint in self._claim.checkpoints:
            try:
                found = _read(until(partial(self._store.read, checkpoint)))
            except (DataLoss, InvalidInput, msgspec.DecodeError, KeyError, ValueError) as error:
                self._log.warning("checkpoint_unusable", step=checkpoint.step, error=str(error))
            else:
                if found[0].stopped != ENDED_EARLY:  # it could not go on from there
                    yield found

    @property
    def _is_writing(self) -> bool:
        return self._writing is not None and self._writing.is_alive()

    def _write(self, step: int, arrays: Arrays, begin: float) -> None:
        try:
            self._kept = self._leases.keep_checkpoint(self._claim, self._store.write(self._claim, step, arrays))
            self._store.remove_earlier(self._claim, keep=[each.name for each in self._kept])
            self._log.info("checkpoint_stored", step=step, seconds=round(self._clock() - begin, 3))
        except Fenced:
            pass  # the heartbeat finds it, too
        except ServiceError as error:  # training goes on; the next one may succeed
            self._log.warning("checkpoint_not_stored", step=step, error=str(error))
        finally:
            end = self._clock()
            self._due_at = end + max(self._seconds, (end - begin) / MOST_SHARE)


def _arrays(state: TrainingState, told: Told) -> Arrays:
    return {**state.to_arrays(), _TOLD: np.frombuffer(msgspec.json.encode(told), np.uint8)}


def _read(arrays: Arrays) -> tuple[TrainingState, Told]:
    told = msgspec.json.decode(arrays[_TOLD].tobytes(), type=Told)
    return TrainingState.from_arrays({name: array for name, array in arrays.items() if name != _TOLD}), told
