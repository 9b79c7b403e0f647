"""Jobs wait while the disk is full, read-only or the database is locked, and go on with what they have trained."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from helpers import waiting
from helpers.disks import fill, read_only, small_disk
from helpers.running import Service, running_service
from layerwise_client import Client, Job
from layerwise_service.stores.database import Database

WIDE = {"layers": [{"units": 2_000, "activation": "relu"}]}  # its model has about 5 MB
LEASE_SECONDS = 1.5
LEASE = {"LAYERWISE_LEASE_SECONDS": str(LEASE_SECONDS)}

SECONDS = 120.0
wait_until = partial(waiting.wait_until, seconds=SECONDS)

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount the small disk that is to fill up"),
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    with small_disk(tmp_path / "disk") as mount:
        yield mount


def train(client: Client, *, epochs: int) -> Job:
    X = np.random.default_rng(0).normal(size=(200, 600)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int).tolist()
    return client.train("wide", WIDE, X, y, plan={"epochs": epochs}, progress=False)


def losses(service: Service, job: Job) -> int:
    """How many workers the job is said to have lost."""
    with closing(Database(f"sqlite:///{service.home / 'layerwise.db'}")) as database, database.read() as connection:
        return connection.execute(sa.text("SELECT losses FROM jobs WHERE id = :id"), {"id": job.id}).scalar_one()


def steps(job: Job) -> list[int]:
    return [record.step for record in job.watch()]


def waits(job: Job) -> bool:
    return job.refresh().snapshot.state == "WAITING"


def test_a_job_that_finds_the_disk_full_waits_and_publishes_what_it_has_trained(disk: Path) -> None:
    filler = disk / "filler"
    with running_service(disk / "home", **LEASE) as service, service.client() as client:
        job = train(client, epochs=5)
        fill(filler, leave=2_000_000)  # enough for the database, not for the model
        wait_until(lambda: waits(job), what="WAITING")
        time.sleep(2 * LEASE_SECONDS)  # what it must outlast
        assert waits(job)
        assert job.transitions[-1].reason == "NO_SPACE"

        filler.unlink()
        job.wait(timeout=SECONDS)

        assert (job.state, job.attempt, job.version) == ("SUCCEEDED", 1, 1)
        assert [change.reason for change in job.transitions][-2:] == ["CONTINUED", "PUBLISHED"]
        assert steps(job) == sorted(set(steps(job)))
        assert losses(service, job) == 0

        cancelled, stopped = train(client, epochs=1), train(client, epochs=1)
        fill(filler, leave=2_000_000)
        wait_until(lambda: waits(cancelled), what="WAITING")
        cancelled.cancel()
        wait_until(lambda: cancelled.state == "CANCELLED", what="CANCELLED")
        wait_until(lambda: waits(stopped), what="WAITING")
        assert service.stop() == 0

    filler.unlink()
    with running_service(disk / "home", **LEASE) as service, service.client() as client:
        again = client.job(stopped.id).wait(timeout=SECONDS)
        assert (again.state, again.attempt) == ("SUCCEEDED", 2)
        assert "WORKER_STOPPED" in [change.reason for change in again.transitions]


def test_a_job_outlasts_a_disk_that_takes_nothing_at_all(disk: Path) -> None:
    with (
        running_service(disk / "home", "--workers", "2", **LEASE) as service,
        service.client(over_rest=True) as client,
    ):
        full = train(client, epochs=30)
        wait_until(lambda: full.refresh().record is not None)
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4_096))
        wait_until(lambda: "job_waits" in service.log.read_text(), what="job_waits")
        time.sleep(2 * LEASE_SECONDS)
        (disk / "filler").unlink()
        full.wait(timeout=SECONDS)

        unwritable = train(client, epochs=5)
        with read_only(disk):
            wait_until(lambda: waits(unwritable), what="WAITING")
            assert unwritable.transitions[-1].reason == "STORAGE_UNAVAILABLE"
            assert client.predict("wide", np.zeros((1, 600), np.float32)).version == 1
        unwritable.wait(timeout=SECONDS)

        assert [(job.state, job.attempt, job.version) for job in (full, unwritable)] == [
            ("SUCCEEDED", 1, 1),
            ("SUCCEEDED", 1, 2),
        ]
        assert len(steps(full)) == 30
        assert [losses(service, job) for job in (full, unwritable)] == [0, 0]


LOCK = """
import sys
from layerwise_service.stores.database import Database
with Database(sys.argv[1]).write():
    print("locked", flush=True)
    sys.stdin.read()
"""


@contextmanager
def locked(service: Service) -> Iterator[None]:
    """Holds the write lock of the database."""
    command = [sys.executable, "-c", LOCK, f"sqlite:///{service.home / 'layerwise.db'}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "locked\n"
        try:
            yield
        finally:
            other.stdin.close()
            other.wait(10)


def test_a_database_that_is_locked_for_longer_than_the_lease_loses_no_worker(tmp_path: Path) -> None:
    with (
        running_service(tmp_path / "home", "--workers", "2", **LEASE) as service,
        service.client(over_rest=True) as client,
    ):
        train(client, epochs=1).wait(timeout=SECONDS)
        job = train(client, epochs=300)
        wait_until(lambda: job.refresh().record is not None)
        for _ in range(3):  # as many as the workers that a job may lose
            with locked(service):
                end = time.monotonic() + 2 * LEASE_SECONDS
                while time.monotonic() < end:
                    assert client.predict("wide", np.zeros((1, 600), np.float32)).version == 1
                    time.sleep(0.05)
        job.wait(timeout=SECONDS)

        assert (job.state, job.attempt, job.version) == ("SUCCEEDED", 1, 2)
        assert losses(service, job) == 0
        assert steps(job) == sorted(set(steps(job)))
