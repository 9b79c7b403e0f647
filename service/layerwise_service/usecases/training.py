"""Use-cases of jobs: begin an upload, list, show and change jobs."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from layerwise import TableEncoder
from layerwise_service.domain.job_notes import check_labels, check_note
from layerwise_service.domain.jobs import Event, Job, JobFilter, JobSummary
from layerwise_service.domain.models import Version
from layerwise_service.domain.pages import Page, page_limit
from layerwise_service.errors import InvalidRequest, NotFound
from layerwise_service.settings import Settings
from layerwise_service.stores.artifact_store import ArtifactStore
from layerwise_service.stores.job_control import JobControl
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.version_store import VersionStore
from layerwise_service.usecases.upload import Submission, Upload, started


class TrainingJobs:
    """Everything that a caller can do with jobs."""

    def __init__(
        self,
        jobs: JobStore,
        control: JobControl,
        versions: VersionStore,
        artifacts: ArtifactStore,
        settings: Settings,
    ) -> None:
        self._jobs = jobs
        self._control = control
        self._versions = versions
        self._artifacts = artifacts
        self._settings = settings

    def upload(self, submission: Submission) -> Upload:
        """Begin to receive the rows of a job.

        Raises `InvalidRequest` for errors that show before the rows arrive, and `NotFound` if there is no such version
        to start from.
        """
        origin = None
        if submission.start_from is not None:
            origin = self.origin(*submission.start_from)
            submission = started(submission, origin)
        return Upload(submission, origin, self._jobs, self._artifacts, self._settings)

    def columns(self, origin: Version) -> Collection[str]:
        """Return the columns of a version to start from."""
        encoder = self._jobs.encoders.of_version(origin.model, origin.number)
        return [] if encoder is None else [column.name for column in TableEncoder.from_json(encoder).columns]

    def origin(self, model: str, version: str) -> Version:
        """Return a version to start from. Raises `NotFound`."""
        try:
            return self._versions.find(model, version)
        except NotFound as exc:
            raise NotFound(exc.detail, reason=exc.reason, pointer="start_from") from exc

    def get(self, job: str) -> Job:
        """Return the job: its id, the beginning of it that no other has, or "last". Raises `JobNotFound`."""
        return self._jobs.get(job)

    def page(self, wanted: JobFilter, *, page_size: int = 0, page_token: str = "") -> Page[JobSummary]:
        """Return a page of summaries of the jobs that are `wanted`, newest first."""
        check_labels(wanted.labels)
        limit = page_limit(page_size)
        found = self._jobs.page(wanted, limit=limit + 1, before=page_token)
        return Page(found[:limit], found[limit - 1].id if len(found) > limit else "")

    def cancel(self, job: str, *, finish: bool = False) -> Job:
        """Cancel the job; with `finish`, publish what it has trained so far instead. Raises as `JobControl` does."""
        if finish:
            return self._control.finish(job, max_open=self._settings.max_queued_jobs)
        return self._control.cancel(job)

    def pause(self, job: str) -> Job:
        """Pause the job. Raises as `JobControl.pause` does."""
        return self._control.pause(job)

    def resume(self, job: str, *, epochs: int | None = None) -> Job:
        """Let a job go on that is paused or has ended; `epochs` is their new number. Raises as `JobControl.resume`."""
        most = self._settings.max_epochs
        if epochs is not None and not 1 <= epochs <= most:
            detail = f"expected 1 to {most} (max_epochs), got {epochs}"
            raise InvalidRequest(detail, pointer="epochs")
        return self._control.resume(job, epochs=epochs, max_open=self._settings.max_queued_jobs)

    def update(self, job: str, *, labels: Mapping[str, str | None], note: str | None) -> Job:
        """Set labels, remove those that are None, and set the note unless it is None."""
        check_labels(labels)
        check_note(note or "")
        return self._control.update(job, labels=labels, note=note)

    def delete(self, job: str) -> None:
        """Delete a job that has ended. Raises `Conflict` if it has not."""
        self._control.delete(job)

    def events(self, job: str, *, after: int, from_step: int) -> list[Event]:
        """Return the job's events after number `after`, without records up to step `from_step`."""
        return self._jobs.events(job, after=after, from_step=from_step)

    def last_events(self, jobs: Collection[str]) -> Mapping[str, int]:
        """Return the number of each job's newest event."""
        return self._jobs.last_events(jobs)
