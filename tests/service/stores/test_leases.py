"""Leases: whose job is taken back, and whose is not, by what a worker that looks for work has seen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from helpers.clock import Clock
from helpers.service_values import RECORD, VERSION
from layerwise_service.domain.datasets import Dataset
from layerwise_service.domain.jobs import Claim, Failure, Job, NewJob
from layerwise_service.errors import Unavailable
from layerwise_service.process.silence import Silence
from layerwise_service.stores import database as database_module
from layerwise_service.stores.database import Database
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Fenced, Leases
from layerwise_service.stores.pending import Artifact, PendingArtifacts
from layerwise_service.stores.schema import jobs, workers
from layerwise_service.wiring import Stores

LEASE = 10.0


@pytest.fixture(autouse=True)
def _artifact(stores: Stores) -> None:
    """The file that VERSION speaks of, as far as the database knows."""
    PendingArtifacts(stores.database).register(Artifact.MODEL, VERSION.sha256)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(stores: Stores, clock: Clock) -> Leases:
    return Leases(stores.database, lease_seconds=LEASE, max_losses=3, clock=clock)


@pytest.fixture
def submit(stores: Stores, dataset: Dataset) -> Callable[[], Job]:
    new = NewJob("xor", {"inputs": 2}, {}, dataset.sha256, "accuracy", fingerprint="f")
    return lambda: stores.jobs.submit(new, dataset, max_open=100)


@pytest.fixture
def held(stores: Stores, submit: Callable[[], Job]) -> Claim:
    """A job in the hands of a worker elsewhere."""
    submit()
    claim = stores.leases.claim("holder")
    assert claim is not None
    return claim


def look(leases: Leases, clock: Clock, *, seconds: float, every: float = 0.25) -> Claim | None:
    """Looks for work as an idle worker does; gives the claim as soon as there is one."""
    end = clock.seconds + seconds
    while clock.seconds < end:
        if (claim := leases.claim("looker")) is not None:
            return claim
        clock.seconds += every
    return None


def losses(stores: Stores, job: str) -> int:
    with stores.database.read() as connection:
        return connection.execute(sa.select(jobs.c.losses).where(jobs.c.id == job)).scalar_one()


def test_a_silent_workers_job_is_claimed_again_and_its_writes_are_refused(
    stores: Stores, held: Claim, leases: Leases, clock: Clock
) -> None:
    stores.leases.add_records(held, [RECORD], progress=0.5)

    assert look(leases, clock, seconds=LEASE - 0.5) is None
    second = look(leases, clock, seconds=1.0)

    assert second is not None
    assert (second.job.id, second.token) == (held.job.id, 2)
    for write in (
        lambda: stores.leases.renew(held, progress=0.1),
        lambda: stores.leases.add_records(held, [RECORD], progress=0.5),
        lambda: stores.leases.wait(held, "NO_SPACE"),
        lambda: stores.leases.resume(held),
        lambda: stores.leases.publish(held, VERSION),
        lambda: stores.leases.fail(held, Failure("X", "x")),
        lambda: stores.leases.release(held),
    ):
        with pytest.raises(Fenced):
            write()
    found = stores.jobs.get(held.job.id)
    assert [(change.state, change.reason, change.attempt) for change in found.transitions] == [
        ("QUEUED", "SUBMITTED", 0),
        ("RUNNING", "CLAIMED", 1),
        ("QUEUED", "WORKER_LOST", 1),
        ("RUNNING", "CLAIMED", 2),
    ]
    assert found.record is None  # the second attempt tells its own story


def test_a_worker_that_beats_keeps_its_job(stores: Stores, held: Claim, leases: Leases, clock: Clock) -> None:
    for _ in range(10):
        assert look(leases, clock, seconds=LEASE * 0.9) is None
        stores.leases.renew(held, progress=0.1)

    assert losses(stores, held.job.id) == 0


def test_a_waiting_job_is_its_workers_as_a_running_one_is(
    stores: Stores, held: Claim, leases: Leases, clock: Clock
) -> None:
    stores.leases.wait(held, "NO_SPACE")
    stores.leases.wait(held, "NO_SPACE")  # is said once

    assert look(leases, clock, seconds=LEASE - 1) is None
    stores.leases.renew(held, progress=0.9)
    assert look(leases, clock, seconds=LEASE - 1) is None
    stores.leases.resume(held)
    stores.leases.resume(held)
    stores.leases.publish(held, VERSION)

    story = [(change.state, change.reason) for change in stores.jobs.get(held.job.id).transitions]
    assert story[2:] == [("WAITING", "NO_SPACE"), ("RUNNING", "CONTINUED"), ("SUCCEEDED", "PUBLISHED")]


def test_a_waiting_job_of_a_dead_worker_is_trained_again(stores: Stores, held: Claim) -> None:
    stores.leases.wait(held, "NO_SPACE")

    stores.leases.take_back_from("holder")

    again = stores.leases.claim("other")
    assert again is not None
    assert again.token == 2


def test_a_looker_that_slept_takes_no_job_for_that(held: Claim, leases: Leases, clock: Clock) -> None:
    assert leases.claim("looker") is None

    clock.seconds += 3600  # as the holder may have

    assert leases.claim("looker") is None
    assert look(leases, clock, seconds=LEASE) is not None  # it is silent indeed


def test_time_in_which_the_database_is_locked_is_no_silence(
    stores: Stores, held: Claim, leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.05)
    looker_database = Database(stores.database.url)
    looker = Leases(looker_database, lease_seconds=LEASE, max_losses=3, clock=clock)

    with stores.database.write() as connection:
        if stores.database.file is None:  # a transaction that writes keeps others from writing in SQLite alone
            connection.execute(sa.text("LOCK TABLE jobs, workers IN EXCLUSIVE MODE"))
        for _ in range(200):  # 50 s
            try:
                assert looker.claim("looker") is None
            except Unavailable:
                clock.seconds += 0.25
            clock.seconds += 0.25
    assert look(looker, clock, seconds=LEASE / 2) is None  # it may come first when the lock is gone
    stores.leases.renew(held, progress=0.5)

    assert look(looker, clock, seconds=LEASE - 0.5) is None
    assert losses(stores, held.job.id) == 0
    looker_database.close()


def test_a_looker_that_had_to_wait_for_the_database_takes_no_job(stores: Stores, held: Claim, clock: Clock) -> None:
    class Slow(Database):
        """Each lock of which is had after 2 s."""

        def write(self):  # type: ignore[no-untyped-def]
            clock.seconds += 2
            return super().write()

    slow = Slow(stores.database.url)
    looker = Leases(slow, lease_seconds=LEASE, max_losses=3, clock=clock)

    assert look(looker, clock, seconds=10 * LEASE) is None
    slow.close()


def test_a_worker_that_lives_after_all_is_no_loss(stores: Stores, held: Claim, leases: Leases, clock: Clock) -> None:
    silent = held
    for _ in range(4):  # more than a job may have losses
        second = look(leases, clock, seconds=LEASE + 1)
        assert second is not None
        assert losses(stores, held.job.id) == 1

        stores.leases.undo_loss(silent)

        assert losses(stores, held.job.id) == 0
        stores.leases.release(second)
        again = stores.leases.claim("holder")
        assert again is not None
        silent = again


def test_a_job_that_was_given_back_in_order_has_no_loss_to_take_back(stores: Stores, held: Claim) -> None:
    stores.leases.take_back_from("holder")
    second = stores.leases.claim("other")
    assert second is not None
    stores.leases.release(second)

    stores.leases.undo_loss(second)

    assert losses(stores, held.job.id) == 1


def test_a_job_that_its_own_worker_left_is_no_loss(
    stores: Stores, submit: Callable[[], Job], leases: Leases, clock: Clock
) -> None:
    job = submit()
    assert leases.claim("looker") is not None

    again = look(leases, clock, seconds=LEASE + 1)

    assert again is not None
    assert again.token == 2
    assert losses(stores, job.id) == 0


def test_workers_that_gave_a_sign_of_life_are_counted(stores: Stores) -> None:
    stores.leases.report_alive("w1")
    stores.leases.report_alive("w1")

    assert stores.jobs.workers_seen(seconds=60) == 1
    assert stores.jobs.workers_seen(seconds=60, host="elsewhere") == 0


@pytest.mark.parametrize(("age", "seen"), [(0, 1), (59_000, 1), (61_000, 0), (-61_000, 0)])
def test_a_worker_of_this_machine_is_counted_by_the_machines_own_clock(stores: Stores, age: int, seen: int) -> None:
    stores.leases.report_alive("w1")
    with stores.database.write() as connection:  # an hour ahead on the wall
        connection.execute(sa.update(workers).values(beat=workers.c.beat - age, seen=workers.c.seen + 3600))

    assert JobStore(stores.database).workers_seen(seconds=60) == seen


def test_a_worker_of_an_earlier_boot_is_not_here(stores: Stores) -> None:
    stores.leases.report_alive("w1")
    with stores.database.write() as connection:
        host = connection.execute(sa.update(workers).values(boot="earlier").returning(workers.c.host)).scalar_one()

    assert stores.jobs.workers_seen(seconds=60, host=host) == 0
    assert stores.jobs.workers_seen(seconds=60) == 1  # it may be elsewhere: it is counted until it was seen silent


def test_a_counter_that_stands_still_is_silent_since_it_was_first_seen(clock: Clock) -> None:
    silence = Silence(most_gap=2, clock=clock)

    assert silence.look({"a": 1, "b": 1}) == {"a": 0, "b": 0}
    clock.seconds += 1
    assert silence.look({"a": 1, "b": 2}) == {"a": 1, "b": 0}
    clock.seconds += 100
    assert silence.look({"a": 1, "b": 2, "c": 7}) == {"a": 3, "b": 2, "c": 0}
    silence.look({"b": 2})
    assert silence.look({"a": 1, "b": 2}) == {"a": 0, "b": 2}
    silence.forget()
    assert silence.look({"b": 2}) == {"b": 0}


def test_a_worker_that_waits_looks_again_as_soon_as_a_job_is_queued(leases: Leases, submit: Callable[[], Job]) -> None:
    leases.wait_for_job(0.0)  # what was written before this does not count
    waiting = threading.Thread(target=leases.wait_for_job, args=(120.0,), daemon=True)
    waiting.start()

    submit()
    waiting.join(60.0)

    assert not waiting.is_alive()


def test_a_worker_that_waits_is_not_woken_by_looks_of_others(leases: Leases, stores: Stores) -> None:
    leases.wait_for_job(0.0)
    began = time.monotonic()

    stores.leases.claim("another")
    leases.wait_for_job(0.5)

    assert time.monotonic() - began >= 0.5
