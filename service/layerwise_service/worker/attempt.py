"""One attempt at a job: open the data, train, verify, publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import structlog

from layerwise import (
    MLP,
    Architecture,
    Diverged,
    Finding,
    InvalidInput,
    Plan,
    Record,
    TableEncoder,
    fit,
    kernels_in_use,
)
from layerwise.training.records import EpochRecord
from layerwise_service.domain.jobs import Claim, Failure, Reason
from layerwise_service.domain.models import Version
from layerwise_service.errors import NoSpace, ServiceError, Unavailable
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Fenced, Leases, NewVersion
from layerwise_service.stores.pending import ArtifactExpired
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.worker.encoding import encoded_rows
from layerwise_service.worker.heartbeat import Heartbeat, Order
from layerwise_service.worker.waiting import LeftWaiting, Patience

log = structlog.get_logger()

T = TypeVar("T")

_TELL_SECONDS = 0.2  # epochs of tiny data take less than a write to the database: they are told together
_AGAIN_SECONDS = 5.0  # after records could not be stored: a try costs as much when the database is locked
_MOST_UNTOLD = 10_000  # records kept in memory meanwhile; then training waits


class Attempt:
    """Works on one claim. `run` ends the job, gives it back, or drops it if it is another's by now."""

    def __init__(
        self,
        claim: Claim,
        *,
        leases: Leases,
        jobs: JobStore,
        artifacts: ArtifactStore,
        heartbeat: Heartbeat,
        threads: int,
    ) -> None:
        self._claim = claim
        self._leases = leases
        self._jobs = jobs
        self._artifacts = artifacts
        self._heartbeat = heartbeat
        self._patience = Patience(claim, leases)
        self._threads = threads
        self._untold: list[EpochRecord] = []
        self._newest: EpochRecord | None = None
        self._kept: EpochRecord | None = None
        self._progress = 0.0
        self._findings: tuple[Finding, ...] = ()
        self._found: set[tuple[str, int | None, int]] = set()
        self._told_at = time.monotonic()
        self._log = log.bind(job=claim.job.id, model=claim.job.model, attempt=claim.token)

    def run(self) -> None:
        """Never raises but for what stops the process."""
        self._log.info("job_claimed")
        self._heartbeat.hold(self._claim)
        try:
            try:
                order = self._train()
            except LeftWaiting as left:
                order = left.order
            if order is not Order.GO_ON:
                self._leave(order)
        except Fenced:
            self._fenced()
        except Exception as error:  # noqa: BLE001 - the worker's boundary: the job fails, the worker goes on
            self._fail(error)
        finally:
            self._heartbeat.let_go()

    def _train(self) -> Order:
        job = self._claim.job
        shape = self._until(lambda: self._jobs.dataset_shape(job.dataset))
        stored, targets, weights = self._until(lambda: self._artifacts.open_dataset(job.dataset, shape))
        form = self._until(lambda: self._jobs.encoders.load(job.id))
        encoder = None if form is None else TableEncoder.from_json(form)
        if isinstance(stored, StoredTable):
            table, encode = stored, encoder
            assert encode is not None
            rows = self._until(
                lambda: encoded_rows(table, encode, self._artifacts, goes_on=lambda: self._order() is Order.GO_ON)
            )
            if rows is None:
                return self._order()
        else:
            rows = stored
        plan = Plan.from_json(job.plan)
        origin = None if (begun := job.start) is None else self._until(lambda: self._artifacts.load_model(begun.sha256))
        start = None if origin is None else origin.weights
        model = MLP(Architecture.from_json(job.architecture), seed=plan.seed, weights=start)
        model.labels = shape.labels
        model.encoder = encoder
        if origin is not None:  # used by a plan that keeps them too
            model.kept_optimizer, model.target_scale = origin.kept_optimizer, origin.target_scale
        for record in fit(model, rows, targets, plan=plan, weights=weights, every="step", check=False):
            self._progress = record.progress
            if (order := self._order()) is not Order.GO_ON:
                return order
            if record.epoch_end:
                self._tell(record)
        self._until(self._store_records)
        model.lineage = {
            "dataset": job.dataset,
            "job": job.id,
            "model": job.model,
            "blas_threads": self._threads,
            "kernels": kernels_in_use(),
        }
        if job.start is not None:
            model.lineage["parent"] = job.start.sha256
        sha256, size = self._until(lambda: self._artifacts.keep_model(model))
        metrics, parameters = dict(model.metrics), model.architecture.parameters
        new = NewVersion(sha256, size, metrics, parameters, shape.labels, self._kept_record(metrics))
        version = self._until(lambda: self._publish(model, new), ends=True)
        self._log.info("version_published", version=version.number, **model.metrics)
        return Order.GO_ON

    def _publish(self, model: MLP, new: NewVersion) -> Version:
        try:
            return self._leases.publish(self._claim, new)
        except ArtifactExpired:  # the job waited so long that its file was taken for nobody's
            self._artifacts.keep_model(model)
            return self._leases.publish(self._claim, new)

    def _order(self) -> Order:
        return self._heartbeat.order(progress=self._progress)

    def _until(self, act: Callable[[], T], *, ends: bool = False) -> T:
        return self._patience.until_done(act, order=self._order, ends=ends)

    def _tell(self, record: Record) -> None:
        found = {(finding.kind, finding.layer, finding.since): finding for finding in record.findings}
        new = tuple(finding for key, finding in found.items() if key not in self._found)
        self._findings = record.findings
        self._found |= found.keys()  # one that comes and goes is told once
        told = replace(record, findings=new)
        self._newest, self._kept = told, told if told.kept else self._kept
        self._untold.append(told)
        if len(self._untold) >= _MOST_UNTOLD:
            self._until(self._store_records)
        elif time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._try_to_store_records()

    def _kept_record(self, metrics: Mapping[str, float]) -> EpochRecord | None:
        """The record of the epoch whose weights were kept, with the `metrics` of these weights."""
        if self._kept is None or self._newest is None:
            return None
        name = self._claim.job.metric
        return replace(
            self._kept,
            loss=metrics.get("loss", self._kept.loss),
            metric=metrics.get(name, self._kept.metric),
            validation_loss=metrics.get("validation_loss", self._kept.validation_loss),
            validation_metric=metrics.get(f"validation_{name}", self._kept.validation_metric),
            seconds_left=0.0,
            stopped=self._newest.stopped,
        )

    def _try_to_store_records(self) -> None:
        """Stores the records, or leaves it to a later call: training goes on without space and without the database."""
        try:
            self._store_records()
            self._patience.settle()
        except (NoSpace, Unavailable) as error:
            self._told_at = time.monotonic() + _AGAIN_SECONDS
            self._log.warning("records_not_stored", records=len(self._untold), error=str(error))

    def _store_records(self) -> None:
        if self._untold:
            self._leases.add_records(self._claim, self._untold, progress=self._progress, findings=self._findings)
        self._untold = []
        self._told_at = time.monotonic()

    def _leave(self, order: Order) -> None:
        """Does with the job as ordered."""
        match order:
            case Order.CANCEL:
                self._end(lambda: self._leases.cancelled(self._claim))
            case Order.RELEASE:
                try:
                    self._leases.release(self._claim)
                except ServiceError as error:  # a worker that is told to stop does not wait
                    self._log.error("job_left_to_its_lease", error=str(error))
            case _:
                self._fenced()
        self._log.info("job_left", order=order.value)

    def _fail(self, error: Exception) -> None:
        failure = _failure(error)
        if failure.reason == Reason.INTERNAL:
            self._log.error("job_failed", exc_info=error)
        else:
            self._log.warning("job_failed", reason=failure.reason, error=str(error))

        def tell() -> None:
            self._store_records()
            self._leases.fail(self._claim, failure)

        try:
            self._end(tell)
        except Fenced:
            self._fenced()
        except Exception as late:  # noqa: BLE001 - another worker will take the job, and meet the same
            self._log.error("job_failure_not_told", exc_info=late)

    def _end(self, act: Callable[[], None]) -> None:
        """Ends the job, however long that takes, unless the worker is told to stop or the job is another's."""

        def order() -> Order:
            if self._heartbeat.stopping:
                return Order.RELEASE
            return Order.DROP if self._order() is Order.DROP else Order.GO_ON

        try:
            self._patience.until_done(act, order=order, ends=True)
        except LeftWaiting as left:
            if left.order is Order.DROP:
                self._fenced()
            else:
                self._log.error("job_left_to_its_lease")

    def _fenced(self) -> None:
        """The job was taken from this worker, which lives."""
        self._log.warning("job_fenced")
        with suppress(ServiceError):
            self._leases.not_lost(self._claim)


def _failure(error: Exception) -> Failure:
    match error:
        case Diverged():
            return Failure(Reason.DIVERGED, str(error))
        case InvalidInput():
            return Failure(Reason.INVALID_DATA, str(error))
        case MemoryError():
            return Failure(Reason.OUT_OF_MEMORY, "the worker has not enough memory for this network and batch size")
        case ServiceError():
            return Failure(error.reason, error.detail)
        case _:
            return Failure(Reason.INTERNAL, "internal error; the worker's log has the details under the job's id")
