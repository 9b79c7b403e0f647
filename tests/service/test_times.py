"""Times over REST and gRPC."""

from __future__ import annotations

from layerwise_service.domain.job_states import JobState
from layerwise_service.domain.jobs import JobSummary
from layerwise_service.rest.responses import job_json
from layerwise_service.rpc.job_converters import write_job_summary


def test_a_time_has_the_same_milliseconds_over_rest_and_over_grpc() -> None:
    job = JobSummary(
        id="job",
        model="digits",
        state=JobState.QUEUED,
        dataset="0" * 64,
        metric="accuracy",
        attempt=0,
        created=1_700_000_000.6709999,
        progress=0.0,
    )

    assert job_json(job)["created"] == "2023-11-14T22:13:20.671Z"
    assert write_job_summary(job).create_time.ToJsonString() == "2023-11-14T22:13:20.671Z"
