"""One attempt at a job: open the data, train, verify, publish."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
import structlog

from layerwise import (
    MLP,
    Architecture,
    InvalidInput,
    Plan,
    TableEncoder,
    Training,
    fit,
    kernels_in_use,
)
from layerwise.training.state import TrainingState
from layerwise_service.domain.datasets import Shape
from layerwise_service.domain.job_states import Reason, Wish
from layerwise_service.domain.jobs import Claim, JSONObject
from layerwise_service.domain.models import Version
from layerwise_service.errors import DataLoss, ServiceError
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Fenced, Leases, NewVersion
from layerwise_service.stores.pending import ArtifactExpired
from layerwise_service.stores.table_reader import StoredTable
from layerwise_service.worker.checkpointing import Checkpoints, Told
from layerwise_service.worker.encoding import encoded_rows
from layerwise_service.worker.evaluation import Rows, average_row, evaluation_of
from layerwise_service.worker.failures import failure_of
from layerwise_service.worker.heartbeat import Heartbeat, Instruction
from layerwise_service.worker.reports import Reports
from layerwise_service.worker.waiting import Interrupted, Retrier

log = structlog.get_logger()

T = TypeVar("T")


class Attempt:
    """One attempt at a job. `run` ends the job, releases it, or drops it if another worker has it by now."""

    def __init__(
        self,
        claim: Claim,
        *,
        leases: Leases,
        jobs: JobStore,
        artifacts: ArtifactStore,
        heartbeat: Heartbeat,
        threads: int,
        checkpoint_seconds: float,
        resumable_jobs: int,
    ) -> None:
        self._claim = claim
        self._leases = leases
        self._jobs = jobs
        self._artifacts = artifacts
        self._heartbeat = heartbeat
        self._retrier = Retrier(claim, leases, make_room=partial(self._forget_checkpoints, most=0))
        self._threads = threads
        self._checkpoints = Checkpoints(claim, leases, artifacts.checkpoints, seconds=checkpoint_seconds)
        self._reports = Reports(claim, leases, self._retrier, learn=heartbeat.learn)
        self._resumable_jobs = resumable_jobs
        self._finishing = False
        self._log = log.bind(job=claim.job.id, model=claim.job.model, attempt=claim.token)

    def run(self) -> None:
        """Train the job. Raises only what has to end the process, such as `KeyboardInterrupt`."""
        self._log.info("job_claimed")
        self._heartbeat.hold(self._claim)
        try:
            try:
                self._train()
            except Interrupted as left:
                self._leave(left.instruction)
        except Fenced:
            self._fenced()
        except Exception as error:  # noqa: BLE001 - the worker's boundary: the job fails, the worker goes on
            self._fail(error)
        finally:
            self._end_checkpoints()
            self._heartbeat.drop_claim()

    def _train(self) -> None:
        job = self._claim.job
        shape = self._until(lambda: self._jobs.dataset_shape(job.dataset))
        form = self._until(lambda: self._jobs.encoders.load(job.id))
        encoder = None if form is None else TableEncoder.from_json(form)
        data = self._open_data(shape, encoder)
        plan = Plan.from_json(job.plan)
        model = self._new_model(seed=plan.seed)
        model.labels, model.encoder = shape.labels, encoder
        trained, held_out = data.parted(job.held_out)

        def begin(state: TrainingState | None) -> Training:
            return fit(
                model,
                trained.inputs,
                trained.targets,
                plan=plan,
                weights=trained.weights,
                validation=held_out,
                state=state,
                every="step",
                check=False,
            )

        training = self._resumed(begin) or begin(None)
        try:
            self._follow(training)
        except Interrupted as left:
            if left.instruction is not Instruction.DROP and not self._finishing:  # else the state is stored, as it was
                self._checkpoint(training, self._checkpoints.finish)
            raise
        self._until(self._reports.store)
        if self._resumable_jobs and not self._finishing:
            self._checkpoints.begin(training.state, self._reports.told)
        model.lineage, model.average_row = self._lineage(), average_row(trained.inputs)
        evaluation = evaluation_of(
            model,
            data,
            training.held_out_rows if held_out is None else np.arange(len(trained), len(data), dtype=np.intp),
            target=None if job.source is None else job.source.target,
            epochs=self._reports.newest.epoch,
            check=self._check_instruction,
        )
        self._publish(model, evaluation, stopped=training.state.stopped)

    def _follow(self, training: Training) -> None:
        """Train to the end, keep the records, and store a checkpoint every so often."""
        self._end_early(training)
        for record in training:
            self._reports.progress = record.progress
            if record.epoch_end:
                self._reports.keep(record, self._until)
            self._check_instruction()
            if self._finishing or record.stopped is not None:
                continue
            self._end_early(training)
            if self._checkpoints.due and not self._finishing:
                self._checkpoint(training, self._checkpoints.begin)

    def _end_early(self, training: Training) -> None:
        """Let the training end if callers want that: after its first epoch at the earliest, so that there are figures.

        Its state is stored first, so that it can go on from there later.
        """
        if self._heartbeat.finish and self._reports.any:
            self._finishing = True
            self._checkpoint(training, self._checkpoints.finish)
            training.stop()

    def _checkpoint(self, training: Training, store: Callable[[TrainingState, Told], None]) -> None:
        """Store the records so far, and then the state by `store`; if the records cannot be stored, neither."""
        self._reports.try_to_store()
        if self._reports.all_stored:
            store(training.state, self._reports.told)

    def _resumed(self, begin: Callable[[TrainingState], Training]) -> Training | None:
        """Return the training that `begin` resumes from the newest usable checkpoint; None if there is none."""
        for state, told in self._checkpoints.usable(self._until):
            try:
                training = begin(state)
            except InvalidInput as error:
                self._log.warning("checkpoint_unusable", step=state.step, error=str(error))
                continue
            self._log.info("job_resumed", step=state.step)
            self._reports.go_on_from(told)
            return training
        if self._claim.wish is Wish.FINISH:
            raise DataLoss("what it had trained is lost, so that there is nothing to publish: resume it to train again")
        if self._claim.checkpoints:
            self._until(lambda: self._leases.start_over(self._claim))
        return None

    def _publish(self, model: MLP, evaluation: JSONObject | None, *, stopped: str | None) -> None:
        self._checkpoints.wait()
        sha256, size = self._until(lambda: self._artifacts.keep_model(model))
        metrics, parameters = dict(model.metrics), model.architecture.parameters
        kept, last = self._reports.kept_record(metrics, stopped=stopped), self._reports.newest.step
        new = NewVersion(sha256, size, metrics, parameters, model.labels, evaluation, kept, last)

        def publish() -> Version | None:
            try:
                return self._leases.publish(self._claim, new)
            except ArtifactExpired:  # the job waited so long that its unused file was removed
                self._artifacts.keep_model(model)
                return self._leases.publish(self._claim, new)

        version = self._until(publish, ends=True)
        if version is None:
            self._log.info("job_cancelled_before_publishing")
        else:
            self._log.info("version_published", version=version.number, **metrics)

    def _open_data(self, shape: Shape, encoder: TableEncoder | None) -> Rows:
        """Return the rows, with a table's columns encoded, their targets and weights."""
        stored, targets, weights = self._until(lambda: self._artifacts.open_dataset(self._claim.job.dataset, shape))
        if not isinstance(stored, StoredTable):
            return Rows(stored, targets, weights)
        assert encoder is not None
        rows = self._until(lambda: encoded_rows(stored, encoder, self._artifacts, check=self._check_instruction))
        return Rows(rows, targets, weights)

    def _new_model(self, *, seed: int) -> MLP:
        """Return the untrained network, or one with the weights of the version that the job starts from."""
        job = self._claim.job
        architecture = Architecture.from_json(job.architecture)
        if (start := job.start) is None:
            return MLP(architecture, seed=seed)
        origin = self._until(lambda: self._artifacts.load_model(start.sha256))
        model = MLP(architecture, seed=seed, weights=origin.weights)
        # `fit` continues with these if the plan keeps the optimizer's state and scales the targets as well
        model.kept_optimizer, model.target_scale = origin.kept_optimizer, origin.target_scale
        return model

    def _lineage(self) -> dict[str, Any]:
        job = self._claim.job
        lineage = {
            "dataset": job.dataset,
            "job": job.id,
            "model": job.model,
            "blas_threads": self._threads,
            "kernels": kernels_in_use(),
        }
        return lineage if job.start is None else {**lineage, "parent": job.start.sha256}

    def _end_checkpoints(self) -> None:
        """Wait for a checkpoint that is being written, and remove those that no job goes on from any more."""
        self._checkpoints.wait()
        self._forget_checkpoints(most=self._resumable_jobs)

    def _forget_checkpoints(self, *, most: int) -> None:
        """Remove the checkpoints of ended jobs, but those of the `most` that ended last."""
        with suppress(ServiceError):  # else a later job's worker does it
            self._artifacts.checkpoints.remove(self._leases.forget_checkpoints(most=most))

    def _instruction(self) -> Instruction:
        return self._heartbeat.instruction(progress=self._reports.progress)

    def _check_instruction(self) -> None:
        """Raise `Interrupted` if the job is to be left now."""
        if (instruction := self._instruction()) is not Instruction.CONTINUE:
            raise Interrupted(instruction)

    def _until(self, act: Callable[[], T], *, ends: bool = False) -> T:
        return self._retrier.until_done(act, instruction=self._instruction, ends=ends)

    def _leave(self, instruction: Instruction) -> None:
        """Leave the job as instructed."""
        match instruction:
            case Instruction.CANCEL | Instruction.PAUSE:
                self._end(lambda: self._leases.release(self._claim, Reason.RESUME_REQUESTED))
            case Instruction.RELEASE:
                try:
                    self._leases.release(self._claim)
                except ServiceError as error:  # a worker that has to stop does not wait
                    self._log.error("job_left_to_its_lease", error=str(error))
            case _:
                self._fenced()
        self._log.info("job_left", instruction=instruction.value)

    def _fail(self, error: Exception) -> None:
        failure = failure_of(error)
        if failure.reason == Reason.INTERNAL:
            self._log.error("job_failed", exc_info=error)
        else:
            self._log.warning("job_failed", reason=failure.reason, error=str(error))

        def store_failure() -> None:
            self._reports.store()
            self._leases.fail(self._claim, failure)

        try:
            self._end(store_failure)
        except Fenced:
            self._fenced()
        except Exception as late:  # noqa: BLE001 - another worker will take the job, and fail in the same way
            self._log.error("job_failure_not_stored", exc_info=late)

    def _end(self, act: Callable[[], None]) -> None:
        """End the job, however long that takes, unless this worker has to stop or another one has the job."""

        def instruction() -> Instruction:
            if self._heartbeat.stopping:
                return Instruction.RELEASE
            return Instruction.DROP if self._instruction() is Instruction.DROP else Instruction.CONTINUE

        try:
            self._retrier.until_done(act, instruction=instruction, ends=True)
        except Interrupted as left:
            if left.instruction is Instruction.DROP:
                self._fenced()
            else:
                self._log.error("job_left_to_its_lease")

    def _fenced(self) -> None:
        """Log that the job was given to another worker, and take back that this one counts as lost."""
        self._log.warning("job_fenced")
        with suppress(ServiceError):
            self._leases.undo_loss(self._claim)
