"""Jobs in the database: submitted once, claimed by one, fenced, taken back, ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from helpers.service_values import RECORD, VERSION
from helpers.worked_jobs import forget_back_off
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.job_states import JobState, Wish
from layerwise_service.domain.jobs import Failure, Job, JobFilter, NewJob
from layerwise_service.domain.names import new_id
from layerwise_service.errors import AlreadyExists, Exhausted, InvalidRequest
from layerwise_service.stores.job_rows import JobNotFound
from layerwise_service.stores.leases import Fenced
from layerwise_service.stores.pending import Artifact, PendingArtifacts
from layerwise_service.stores.schema import jobs
from layerwise_service.wiring import Stores


@pytest.fixture(autouse=True)
def _artifact(stores: Stores) -> None:
    """The file that VERSION speaks of, as far as the database knows."""
    PendingArtifacts(stores.database).register(Artifact.MODEL, VERSION.sha256)


@pytest.fixture
def new_job(dataset: Dataset) -> Callable[..., NewJob]:
    def make(*, model: str = "xor", fingerprint: str = "f", request_id: str | None = None) -> NewJob:
        return NewJob(
            model=model,
            architecture={"inputs": 2, "layers": [{"units": 2}]},
            plan={"loss": "softmax_cross_entropy"},
            dataset=dataset.sha256,
            metric="accuracy",
            fingerprint=fingerprint,
            request_id=request_id,
        )

    return make


@pytest.fixture
def submit(stores: Stores, dataset: Dataset, new_job: Callable[..., NewJob]) -> Callable[..., Job]:
    return lambda **values: stores.jobs.submit(new_job(**values), dataset, max_open=100)


def story(job: Job) -> list[tuple[str, str, int]]:
    return [(change.state, change.reason, change.attempt) for change in job.transitions]


def test_a_submitted_job_is_queued(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit(model="xor")

    assert (job.state, job.attempt, job.version, story(job)) == ("QUEUED", 0, None, [("QUEUED", "SUBMITTED", 0)])
    assert stores.jobs.get(job.id) == job


def test_the_same_request_gives_the_same_job(submit: Callable[..., Job]) -> None:
    assert submit(request_id="r").id == submit(request_id="r").id


def test_a_request_id_with_other_content_is_refused(submit: Callable[..., Job]) -> None:
    submit(request_id="r")

    with pytest.raises(AlreadyExists) as caught:
        submit(request_id="r", fingerprint="other")

    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_fifty_submissions_at_once_under_one_request_id_are_one_job(stores: Stores, submit: Callable[..., Job]) -> None:
    found: list[str] = []

    together(50, lambda: found.append(submit(request_id="r").id))

    assert len(found) == 50
    assert len(set(found)) == 1
    assert len(stores.jobs.page(limit=100)) == 1


def test_one_job_too_many_is_refused(
    stores: Stores, dataset: Dataset, new_job: Callable[..., NewJob], submit: Callable[..., Job]
) -> None:
    submit()

    with pytest.raises(Exhausted):
        stores.jobs.submit(new_job(), dataset, max_open=1)


def test_an_unknown_job_is_named(stores: Stores) -> None:
    with pytest.raises(JobNotFound, match="no job has the id 'nothing'"):
        stores.jobs.get("nothing")


def test_jobs_come_newest_first_in_pages(stores: Stores, submit: Callable[..., Job]) -> None:
    ids = [submit(model=model).id for model in ("a", "b", "a")]

    first = stores.jobs.page(limit=2)
    rest = stores.jobs.page(limit=2, before=first[-1].id)

    assert [job.id for job in [*first, *rest]] == ids[::-1]
    assert [job.id for job in stores.jobs.page(JobFilter(model="a"), limit=9)] == [ids[2], ids[0]]
    assert stores.jobs.page(JobFilter(state=JobState.RUNNING), limit=9) == []


def test_jobs_are_listed_and_claimed_in_the_order_of_their_submission_whatever_the_clock_says(
    stores: Stores, submit: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time_ns
    ids = [submit().id]
    for hours in (1, -1, -25):
        monkeypatch.setattr(time, "time_ns", lambda hours=hours: real() + hours * 3_600_000_000_000)
        ids.append(submit().id)
    assert ids != sorted(ids)

    first = stores.jobs.page(limit=3)
    rest = stores.jobs.page(limit=3, before=first[-1].id)

    assert [job.id for job in [*first, *rest]] == ids[::-1]
    assert [claim.job.id for claim in (stores.leases.claim("w") for _ in ids) if claim] == ids


def test_a_page_token_that_no_page_gave_is_refused(stores: Stores) -> None:
    with pytest.raises(InvalidRequest, match="page_token: expected the next_page_token of the page before, got 'x'"):
        stores.jobs.page(limit=1, before="x")


def test_an_id_has_26_characters_and_comes_once() -> None:
    ids = {new_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(one) for one in ids} == {26}


def test_a_claimed_job_is_the_workers(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit()

    claim = stores.leases.claim("w1")

    assert claim is not None
    assert (claim.job.id, claim.token, claim.job.state) == (job.id, 1, "RUNNING")
    assert stores.leases.claim("w2") is None


def test_the_oldest_job_is_claimed_first(stores: Stores, submit: Callable[..., Job]) -> None:
    jobs = [submit() for _ in range(3)]

    claimed = [stores.leases.claim("w") for _ in range(3)]

    assert [claim.job.id for claim in claimed if claim] == sorted(job.id for job in jobs)


def test_fifty_workers_race_and_one_wins(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit()
    claims: list[object] = []

    together(50, lambda: claims.append(stores.leases.claim(threading.current_thread().name)))

    assert sum(claim is not None for claim in claims) == 1
    assert stores.jobs.get(job.id).attempt == 1


def test_a_fenced_publish_leaves_no_version(stores: Stores, submit: Callable[..., Job]) -> None:
    submit(model="xor")
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.release(claim)

    with pytest.raises(Fenced):
        stores.leases.publish(claim, VERSION)

    assert stores.versions.served()[1] == {}


def test_a_worker_known_to_be_dead_gives_its_job_back_at_once(stores: Stores, submit: Callable[..., Job]) -> None:
    submit()
    stores.leases.claim("dead")

    stores.leases.take_back_from("dead")

    again = stores.leases.claim("alive")
    assert again is not None
    assert again.token == 2


def test_16_a_job_that_loses_its_worker_again_waits_while_others_come_first(
    stores: Stores, submit: Callable[..., Job]
) -> None:
    poison, other = submit(), submit()
    for _ in range(2):
        claim = stores.leases.claim("w")
        assert claim is not None
        assert claim.job.id == poison.id
        stores.leases.take_back_from("w")

    claims = [stores.leases.claim("w") for _ in range(2)]

    assert [claim and claim.job.id for claim in claims] == [other.id, None]
    with stores.database.write() as connection:  # the clock was set back by a day
        connection.execute(sa.update(jobs).values(not_before=jobs.c.not_before + 86_400))
    assert stores.leases.claim("w") is not None


def test_a_job_that_loses_its_worker_too_often_fails(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit()

    for number in range(3):
        forget_back_off(stores)
        assert stores.leases.claim(f"w{number}") is not None
        stores.leases.take_back_from(f"w{number}")

    found = stores.jobs.get(job.id)
    assert found.state == "FAILED"
    assert found.failure is not None
    assert found.failure.reason == "WORKER_LOST"
    assert stores.leases.claim("w") is None


def test_a_worker_that_stops_in_good_order_costs_the_job_nothing(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit()

    for _ in range(5):
        claim = stores.leases.claim("w")
        assert claim is not None
        stores.leases.release(claim)

    assert stores.jobs.get(job.id).state == "QUEUED"


def test_publishing_makes_the_next_version_and_ends_the_job(stores: Stores, submit: Callable[..., Job]) -> None:
    for _ in range(2):
        submit(model="xor")
    first, second = stores.leases.claim("a"), stores.leases.claim("b")
    assert first is not None
    assert second is not None

    versions = [stores.leases.publish(claim, VERSION).number for claim in (first, second)]

    model = stores.versions.get("xor")
    assert versions == [1, 2]
    assert model.latest == 2
    assert [version.number for version in stores.versions.versions("xor", limit=9, before=0)] == [2, 1]
    assert stores.versions.find("xor", "").labels == ("no", "yes")
    job = stores.jobs.get(first.job.id)
    assert (job.state, job.version, job.progress) == ("SUCCEEDED", 1, 1.0)


def test_records_and_transitions_are_told_in_order(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit()
    claim = stores.leases.claim("w")
    assert claim is not None
    stores.leases.add_records(claim, [RECORD], progress=0.5)
    stores.leases.publish(claim, VERSION)

    told = stores.jobs.events(job.id, after=0)

    assert [event.number for event in told] == [1, 2, 3, 4]
    assert told[2].record == RECORD
    assert told[3].transition is not None
    assert told[3].transition.state == "SUCCEEDED"
    assert stores.jobs.events(job.id, after=3) == [told[3]]
    assert stores.jobs.last_events([job.id]) == {job.id: 4}


def test_a_record_that_is_given_again_is_stored_once(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit()
    claim = stores.leases.claim("w")
    assert claim is not None
    following = replace(RECORD, step=RECORD.step + 1)

    stores.leases.add_records(claim, [RECORD], progress=0.5)
    stores.leases.add_records(claim, [RECORD, following], progress=0.6)  # the first answer was lost

    records = [event.record for event in stores.jobs.events(job.id, after=0) if event.record is not None]
    assert records == [RECORD, following]


def test_cancelling_is_idempotent_in_every_state(stores: Stores, submit: Callable[..., Job]) -> None:
    queued, running, done = submit().id, submit().id, submit().id
    claims = {claim.job.id: claim for claim in (stores.leases.claim("w") for _ in range(3)) if claim is not None}
    stores.leases.release(claims[queued])
    stores.leases.publish(claims[done], VERSION)

    states = {job: [stores.job_control.cancel(job).state for _ in range(2)] for job in (queued, running, done)}

    assert states == {queued: ["CANCELLED"] * 2, running: ["CANCELLING"] * 2, done: ["SUCCEEDED"] * 2}
    assert stores.leases.renew(claims[running], progress=0.5) is Wish.CANCEL
    stores.leases.release(claims[running])
    assert stores.jobs.get(running).state == "CANCELLED"


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(stores: Stores, submit: Callable[..., Job]) -> None:
    job = submit().id
    stores.leases.claim("w")
    stores.job_control.cancel(job)

    stores.leases.take_back_from("w")

    assert stores.jobs.get(job).state == "CANCELLED"


@pytest.mark.parametrize("end", ["publish", "fail", "release"])
def test_a_job_that_was_to_be_cancelled_ends_as_cancelled_whatever_its_worker_does(
    stores: Stores, submit: Callable[..., Job], end: str
) -> None:
    job = submit().id
    claim = stores.leases.claim("w")
    assert claim is not None

    assert stores.leases.add_records(claim, [RECORD], progress=0.5) is None
    assert stores.job_control.cancel(job).state == "CANCELLING"
    assert stores.leases.add_records(claim, [RECORD], progress=0.5) is Wish.CANCEL
    match end:
        case "publish":
            assert stores.leases.publish(claim, VERSION) is None
        case "fail":
            stores.leases.fail(claim, Failure("X", "x"))
        case _:
            stores.leases.release(claim)

    found = stores.jobs.get(job)
    assert [change.state for change in found.transitions[2:]] == ["CANCELLING", "CANCELLED"]
    assert {change.reason for change in found.transitions[2:]} == {"CANCEL_REQUESTED"}
    assert (found.version, found.failure) == (None, None)
    assert stores.versions.page(limit=1, after="") == []


def test_jobs_are_counted_by_state(stores: Stores, submit: Callable[..., Job]) -> None:
    submit()
    submit()
    stores.leases.claim("w")

    assert stores.jobs.count_by_state() == {
        "QUEUED": 1,
        "RUNNING": 1,
        "WAITING": 0,
        "PAUSED": 0,
        "CANCELLING": 0,
        "SUCCEEDED": 0,
        "FAILED": 0,
        "CANCELLED": 0,
    }


def together(count: int, act: Callable[[], object]) -> None:
    """Runs `act` in `count` threads that start as one."""
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run() -> None:
        barrier.wait()
        try:
            act()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
