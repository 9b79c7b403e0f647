"""One attempt at a job: open the data, train, verify, publish."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

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
from layerwise_service.errors import NoSpace, ServiceError, Unavailable
from layerwise_service.jobs import Claim, Failure, Reason, TrainingRecord
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Fenced, Leases, NewVersion
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.worker.encoding import encoded_rows
from layerwise_service.worker.heartbeat import Heartbeat, Order

log = structlog.get_logger()

_TELL_SECONDS = 0.2  # epochs of tiny data take less than a write to the database: they are told together


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
        self._threads = threads
        self._untold: list[TrainingRecord] = []
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
            order = self._train()
            match order:
                case Order.GO_ON:
                    return
                case Order.CANCEL:
                    self._insist(lambda: self._leases.cancelled(self._claim))
                case Order.RELEASE:
                    self._insist(lambda: self._leases.release(self._claim))
                case Order.DROP:
                    pass
            self._log.info("job_left", order=order.value)
        except Fenced:
            self._log.warning("job_fenced")
        except Unavailable as error:  # no fault of the job's: its lease runs out, and it is tried again
            self._log.error("job_left_to_its_lease", error=str(error))
        except Exception as error:  # noqa: BLE001 - the worker's boundary: the job fails, the worker goes on
            self._fail(error)
        finally:
            self._heartbeat.let_go()

    def _train(self) -> Order:
        job = self._claim.job
        shape = self._jobs.dataset_shape(job.dataset)
        stored, targets, weights = self._artifacts.open_dataset(job.dataset, shape)
        encoder = None if job.preprocessing is None else TableEncoder.from_json(job.preprocessing)
        if isinstance(stored, StoredTable):
            assert encoder is not None
            rows = encoded_rows(stored, encoder, self._artifacts, goes_on=lambda: self._order() is Order.GO_ON)
            if rows is None:
                return self._order()
        else:
            rows = stored
        plan = Plan.from_json(job.plan)
        origin = None if job.start is None else self._artifacts.load_model(job.start.sha256)
        start = None if origin is None else origin.weights
        model = MLP(Architecture.from_json(job.architecture), seed=plan.seed, weights=start)
        model.labels = shape.labels
        model.encoder = encoder
        if origin is not None:  # used by a plan that keeps it too
            model.kept_optimizer = origin.kept_optimizer
        for record in fit(model, rows, targets, plan=plan, weights=weights, every="step", check=False):
            self._progress = record.progress
            if (order := self._order()) is not Order.GO_ON:
                return order
            if record.epoch_end:
                self._tell(record)
        self._flush()
        model.lineage = {
            "dataset": job.dataset,
            "job": job.id,
            "model": job.model,
            "blas_threads": self._threads,
            "kernels": kernels_in_use(),
        }
        if job.start is not None:
            model.lineage["parent"] = job.start.sha256
        sha256, size = self._artifacts.keep_model(model)
        new = NewVersion(sha256, size, dict(model.metrics), model.architecture.parameters, shape.labels)
        version = self._insist(lambda: self._leases.publish(self._claim, new))
        self._log.info("version_published", version=version.number, **model.metrics)
        return Order.GO_ON

    def _order(self) -> Order:
        return self._heartbeat.order(progress=self._progress)

    def _tell(self, record: Record) -> None:
        found = {(finding.kind, finding.layer, finding.since): finding for finding in record.findings}
        new = tuple(finding for key, finding in found.items() if key not in self._found)
        self._findings = record.findings
        self._found |= found.keys()  # one that comes and goes is told once
        self._untold.append(
            TrainingRecord(
                step=record.step,
                epoch=record.epoch,
                loss=record.loss,
                metric=record.metric,
                validation_loss=record.validation_loss,
                validation_metric=record.validation_metric,
                learning_rate=record.learning_rate,
                rows_per_second=record.rows_per_second,
                seconds_left=record.seconds_left,
                layers=record.layers,
                stopped=record.stopped,
                findings=new,
            )
        )
        if time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._flush()

    def _flush(self) -> None:
        untold, self._untold = self._untold, []
        if untold:
            progress, findings = self._progress, self._findings
            self._insist(lambda: self._leases.add_records(self._claim, untold, progress=progress, findings=findings))
        self._told_at = time.monotonic()

    def _fail(self, error: Exception) -> None:
        failure = _failure(error)
        if failure.reason == Reason.INTERNAL:
            self._log.error("job_failed", exc_info=error)
        else:
            self._log.warning("job_failed", reason=failure.reason, error=str(error))
        try:
            self._flush()
            self._insist(lambda: self._leases.fail(self._claim, failure))
        except (Fenced, ServiceError) as late:  # the lease will run out, and another worker take the job
            self._log.error("job_failure_not_told", error=str(late))

    def _insist(self, write: Callable[[], Any]) -> Any:
        """Tries a write as long as the lease would last without it: the store may be busy for a moment."""
        deadline = time.monotonic() + self._leases.lease_seconds
        while True:
            try:
                return write()
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)


def _failure(error: Exception) -> Failure:
    match error:
        case Diverged():
            return Failure(Reason.DIVERGED, str(error))
        case InvalidInput():
            return Failure(Reason.INVALID_DATA, str(error))
        case MemoryError():
            return Failure(Reason.OUT_OF_MEMORY, "the worker has not enough memory for this network and batch size")
        case NoSpace():
            return Failure(Reason.NO_SPACE, error.detail)
        case ServiceError():
            return Failure(error.reason, error.detail)
        case _:
            return Failure(Reason.INTERNAL, "internal error; the worker's log has the details under the job's id")
