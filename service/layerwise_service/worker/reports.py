"""What an attempt reports of its training: its records and findings, stored a few times a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from layerwise import Finding, Record
from layerwise.training.records import EpochRecord
from layerwise_service.domain.job_states import Wish
from layerwise_service.domain.jobs import Claim
from layerwise_service.errors import NoSpace, Unavailable
from layerwise_service.stores.leases import Leases
from layerwise_service.worker.checkpointing import Told
from layerwise_service.worker.waiting import Retrier

log = structlog.get_logger()

_STORE_SECONDS = 0.2  # between two writes of records: an epoch of tiny data takes less time than a write
_RETRY_SECONDS = 5.0  # after a failed write of records: with a locked database, each try may wait that long
_MOST_UNSTORED = 10_000  # records kept in memory meanwhile; then training waits


class Reports:
    """The records of an attempt that are not stored yet, and what has been told so far."""

    def __init__(self, claim: Claim, leases: Leases, retrier: Retrier, *, learn: Callable[[Wish | None], None]) -> None:
        """`learn` is told what callers want of the job, as each write finds it."""
        self._claim = claim
        self._learn = learn
        self._leases = leases
        self._retrier = retrier
        self._unstored: list[EpochRecord] = []
        self._newest: EpochRecord | None = None
        self._kept: EpochRecord | None = None
        self._findings: tuple[Finding, ...] = ()
        self._found: set[tuple[str, int | None]] = set()
        self._stored_at = time.monotonic()
        self._log = log.bind(job=claim.job.id, attempt=claim.token)
        self.progress = 0.0
        """The part of the training that is done, from 0 to 1."""

    @property
    def any(self) -> bool:
        """Whether there is a record."""
        return self._newest is not None

    @property
    def newest(self) -> EpochRecord:
        """The newest record. There must be one."""
        assert self._newest is not None
        return self._newest

    @property
    def all_stored(self) -> bool:
        """Whether every record is stored."""
        return not self._unstored

    @property
    def told(self) -> Told:
        """What has been told so far, for a checkpoint."""
        return Told(self._newest, self._kept, self._findings, tuple(self._found))

    def go_on_from(self, told: Told) -> None:
        """Go on from what an attempt before has told."""
        self._newest, self._kept = told.newest, told.kept
        self._findings, self._found = told.findings, set(told.found)

    def keep(self, record: Record, until_stored: Callable[[Callable[[], None]], None]) -> None:
        """Keep the record of an epoch, and store it soon; by `until_stored` if there are too many already."""
        found = {(finding.kind, finding.layer): finding for finding in record.findings}
        new = tuple(finding for key, finding in found.items() if key not in self._found)
        self._findings = record.findings
        self._found |= found.keys()  # a finding that comes and goes is reported once
        stored = replace(record, findings=new)
        self._newest, self._kept = stored, stored if stored.kept else self._kept
        self._unstored.append(stored)
        if len(self._unstored) >= _MOST_UNSTORED:
            until_stored(self.store)
        elif time.monotonic() - self._stored_at >= _STORE_SECONDS:
            self.try_to_store()

    def try_to_store(self) -> None:
        """Store the records, or leave it to a later call: a full disk or a lost database does not stop training."""
        try:
            self.store()
            self._retrier.settle()
        except (NoSpace, Unavailable) as error:
            self._stored_at = time.monotonic() + _RETRY_SECONDS
            self._log.warning("records_not_stored", records=len(self._unstored), error=str(error))

    def store(self) -> None:
        """Store the records. Raises `ServiceError`, `Fenced`."""
        if self._unstored:
            wish = self._leases.add_records(
                self._claim, self._unstored, progress=self.progress, findings=self._findings
            )
            self._learn(wish)
        self._unstored = []
        self._stored_at = time.monotonic()

    def kept_record(self, metrics: Mapping[str, float], *, stopped: str | None) -> EpochRecord:
        """Return the record of the epoch whose weights were kept, with the `metrics` of these weights."""
        assert self._kept is not None  # the first epoch is always kept, until a better one
        name = self._claim.job.metric
        return replace(
            self._kept,
            loss=metrics.get("loss", self._kept.loss),
            metric=metrics.get(name, self._kept.metric),
            validation_loss=metrics.get("validation_loss", self._kept.validation_loss),
            validation_metric=metrics.get(f"validation_{name}", self._kept.validation_metric),
            seconds_left=0.0,
            stopped=stopped,
        )
