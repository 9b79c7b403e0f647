"""Jobs survive whoever dies: the caller, the worker, the whole service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from helpers import waiting
from helpers.running import Service, running_service
from helpers.weights import weights
from layerwise_client import Client, Job, LayerwiseError, datasets
from layerwise_service.errors import Unavailable
from layerwise_service.stores.database import Database
from layerwise_service.stores.schema import jobs

ARCHITECTURE = {"layers": [{"units": 64, "activation": "relu", "dropout": 0.2}]}
PLAN = {"epochs": 60, "batch_size": 8, "validation": 0.1}  # some seconds
SECONDS = 120.0
wait_until = partial(waiting.wait_until, seconds=SECONDS)

pytestmark = pytest.mark.timeout(600)


def train(client: Client, model: str = "digits") -> Job:
    X, y = datasets.load("digits")
    return client.train(model, ARCHITECTURE, X, y, plan=PLAN, progress=False)


def has_begun(job: Job) -> bool:
    return job.refresh().record is not None


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the weights' file but for the lineage: of a job that nobody disturbed."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with running_service(home) as service, service.client() as client:
        train(client).wait(timeout=SECONDS)
        return weights(client, service, "digits")


CALLER = """
import sys
from layerwise_client import Client, datasets
X, y = datasets.load("digits")
job = Client(sys.argv[1]).train("digits", {architecture}, X, y, plan={plan}, progress=False)
print(job.id, flush=True)
for record in job.watch():
    pass
"""


def test_the_job_of_a_killed_caller_succeeds(tmp_path: Path, undisturbed: str) -> None:
    with running_service(tmp_path / "home") as service, service.client() as client:
        script = CALLER.format(architecture=ARCHITECTURE, plan=PLAN)
        with subprocess.Popen([sys.executable, "-c", script, service.rpc], stdout=subprocess.PIPE, text=True) as caller:
            assert caller.stdout is not None
            job = client.job(caller.stdout.readline().strip())
            wait_until(lambda: has_begun(job))
            caller.kill()

        job.wait(timeout=SECONDS)

        assert (job.state, job.attempt) == ("SUCCEEDED", 1)
        assert weights(client, service, "digits") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_was_cancelled_before_the_service_ended_stays_cancelled(tmp_path: Path, number: int) -> None:
    with running_service(tmp_path / "home") as service, service.client() as client:
        job = train(client)
        wait_until(lambda: has_begun(job))
        job.cancel()
        service.stop(number)

    with running_service(tmp_path / "home", LAYERWISE_LEASE_SECONDS="1.5") as service, service.client() as client:
        again = client.job(job.id)
        wait_until(lambda: again.refresh().state == "CANCELLED")
        assert [change.reason for change in again.transitions] == [
            "SUBMITTED",
            "CLAIMED",
            "CANCEL_REQUESTED",
            "CANCEL_REQUESTED",
        ]
        assert client.models() == []


def test_the_job_of_a_killed_worker_is_claimed_again_and_ends_with_the_same_weights(
    tmp_path: Path, undisturbed: str
) -> None:
    with running_service(tmp_path / "home") as service, service.client() as client:
        job = train(client)
        wait_until(lambda: has_begun(job))
        (pid,) = service.pids("worker")

        os.kill(pid, signal.SIGKILL)
        steps = [record.step for record in job.watch()]
        job.wait(timeout=SECONDS)

        assert (job.state, job.attempt) == ("SUCCEEDED", 2)
        assert [change.reason for change in job.transitions] == [
            "SUBMITTED",
            "CLAIMED",
            "WORKER_LOST",
            "CLAIMED",
            "PUBLISHED",
        ]
        assert steps == sorted(set(steps))
        assert len(steps) == PLAN["epochs"]
        assert weights(client, service, "digits") == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_goes_on_from_its_last_checkpoint_whatever_ends_its_worker_or_the_service(
    tmp_path: Path, undisturbed: str, number: int
) -> None:
    quick = {"LAYERWISE_CHECKPOINT_SECONDS": "0.05"}
    with running_service(tmp_path / "home", **quick) as service, service.client() as client:
        job = train(client)
        for attempt in (1, 2):
            stored = f'"attempt": {attempt}, "step"'
            wait_until(lambda stored=stored: stored in service.log.read_text())  # type: ignore[misc]
            if attempt == 1:
                os.kill(service.pids("worker")[0], number)
        service.stop(number)

    with running_service(tmp_path / "home", LAYERWISE_LEASE_SECONDS="1.5", **quick) as service:
        with service.client() as client:
            again = client.job(job.id)
            again.wait(timeout=SECONDS)
            steps = [record.step for record in again.watch()]

            reasons = [change.reason for change in again.transitions]
            assert reasons.count("CLAIMED") == 1
            assert reasons.count("RESUMED") == 2
            assert len(steps) == len(set(steps)) == PLAN["epochs"]
            assert weights(client, service, "digits") == undisturbed
        (kept,) = (service.home / "artifacts" / "checkpoints").iterdir()  # it may be trained further
        assert kept.name.startswith(job.id)


def test_the_job_of_a_killed_worker_goes_on_by_the_plan_that_was_chosen_when_it_was_accepted(tmp_path: Path) -> None:
    X, y = datasets.load("digits")
    sums = []
    with running_service(tmp_path / "home") as service, service.client() as client:
        for model, kills in (("left-alone", False), ("killed", True)):
            job = client.train(model, ARCHITECTURE, X, y, plan={"batch_size": 2}, progress=False)  # some seconds
            chosen = job.plan
            wait_until(partial(has_begun, job))
            if kills:
                os.kill(service.pids("worker")[0], signal.SIGKILL)
            job.wait(timeout=100)
            assert job.attempt == 1 + kills
            assert job.plan == chosen == client.model(model).at(1).plan
            assert (chosen["batch_size"], chosen["epochs"], chosen["validation"]) == (2, 20, 0)
            sums.append(weights(client, service, model))
    assert sums[0] == sums[1]


def test_a_job_outlives_the_service(tmp_path: Path, undisturbed: str) -> None:
    home = tmp_path / "home"
    with running_service(home) as service, service.client() as client:
        job = train(client)
        wait_until(lambda: has_begun(job))
        assert service.stop() == 0

    with running_service(home) as service, service.client() as client:
        again = client.job(job.id).wait(timeout=SECONDS)

        assert (again.state, again.attempt) == ("SUCCEEDED", 2)
        assert "WORKER_STOPPED" in [change.reason for change in again.transitions]
        assert weights(client, service, "digits") == undisturbed


def test_a_frozen_workers_job_is_taken_over_and_what_it_says_later_is_not_heard(
    tmp_path: Path, undisturbed: str
) -> None:
    home = tmp_path / "home"
    with (
        running_service(home, "--workers", "0") as service,
        service.client() as client,
        lone_worker(home) as first,
        lone_worker(home) as second,
    ):
        job = train(client)
        wait_until(lambda: has_begun(job))
        frozen = next(worker for worker in (first, second) if worker.name == holder_of(service, job))

        freeze(frozen.process.pid, service, writing=False)
        wait_until(lambda: job.refresh().attempt == 2)
        os.kill(frozen.process.pid, signal.SIGCONT)
        job.wait(timeout=SECONDS)

        assert (job.state, job.attempt, job.version) == ("SUCCEEDED", 2, 1)
        assert len(client.model("digits").versions) == 1
        assert weights(client, service, "digits") == undisturbed
        wait_until(lambda: "job_fenced" in frozen.log.read_text())
        wait_until(lambda: losses(service, job) == 0)  # it lives


def test_the_regression_of_a_killed_worker_ends_with_the_same_bits(tmp_path: Path) -> None:
    X = datasets.load("digits")[0][:900]
    prices = 70_000 + 27_000 * X[:, :8].mean(axis=1)

    with running_service(tmp_path / "home") as service, service.client() as client:
        client.train("calm", ARCHITECTURE, X, prices, plan=PLAN, progress=False).wait(timeout=120)
        job = client.train("shaken", ARCHITECTURE, X, prices, plan=PLAN, progress=False)
        wait_until(lambda: has_begun(job))
        (pid,) = service.pids("worker")
        os.kill(pid, signal.SIGKILL)
        job.wait(timeout=120)

        assert (job.state, job.attempt) == ("SUCCEEDED", 2)
        assert weights(client, service, "shaken") == weights(client, service, "calm")


@pytest.mark.parametrize("part", ["worker", "rpc"])
def test_a_process_that_is_frozen_while_it_holds_the_database_is_ended_and_the_job_continues(
    tmp_path: Path, undisturbed: str, part: str
) -> None:
    settings = {"LAYERWISE_LEASE_SECONDS": "1.5", "LAYERWISE_RPC_PROCESSES": "1"}
    with running_service(tmp_path / "home", **settings) as service, service.client() as client:
        job = train(client)
        wait_until(lambda: has_begun(job))
        (frozen,) = service.pids(part)

        with submitting(service, part):
            freeze(frozen, service, writing=True)

        wait_until(lambda: service.pids(part) not in ([], [frozen]), what="another process in its place")
        with service.client() as again:
            ended = again.job(job.id).wait(timeout=SECONDS)
            assert (ended.state, ended.version, len(again.model("digits").versions)) == ("SUCCEEDED", 1, 1)
            assert weights(again, service, "digits") == undisturbed
        assert "process_frozen" in service.log.read_text()


@contextmanager
def submitting(service: Service, part: str) -> Iterator[None]:
    """Keeps rpc writing to the database, if it is the part that is to be met while it writes."""
    if part != "rpc":
        yield
        return
    ended = threading.Event()

    def submit() -> None:
        with suppress(LayerwiseError), Client(service.rpc, timeout=1) as client:
            while not ended.is_set():
                client.train("xor", ARCHITECTURE, *datasets.load("xor"), progress=False).cancel()

    thread = threading.Thread(target=submit)
    thread.start()
    yield
    ended.set()
    thread.join()


@dataclass
class LoneWorker:
    """A worker that no supervisor looks after."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def lone_worker(home: Path) -> Iterator[LoneWorker]:
    name = f"lone-{uuid.uuid4().hex}"
    command = [sys.executable, "-m", "layerwise_service.commands", "worker", "--home", str(home), "--id", name]
    log = home.parent / f"{name}.log"
    environment = os.environ | {"LAYERWISE_LEASE_SECONDS": "1.5"}
    with log.open("w") as stream, subprocess.Popen(command, stderr=stream, env=environment) as process:
        try:
            yield LoneWorker(name, process, log)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()


def freeze(pid: int, service: Service, *, writing: bool) -> None:
    """Stops a process while it holds, or does not hold, the write lock of the database."""
    with closing(Database(f"sqlite:///{service.home / 'layerwise.db'}")) as database:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            os.kill(pid, signal.SIGSTOP)
            if is_locked(database) is writing:
                return
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.001)
    raise AssertionError(f"process {pid} was never met while writing was {writing}")


def is_locked(database: Database) -> bool:
    """Whether the lock is held for longer than any transaction of a process that runs."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=300")
        connection.rollback()
    try:
        with database.write():
            return False
    except Unavailable:
        return True


def holder_of(service: Service, job: Job) -> str:
    """The worker that has the job in hand."""
    return str(column(service, job, "worker"))


def losses(service: Service, job: Job) -> int:
    """How many workers the job is said to have lost."""
    return int(column(service, job, "losses"))


def column(service: Service, job: Job, name: str) -> Any:
    with closing(Database(f"sqlite:///{service.home / 'layerwise.db'}")) as database, database.read() as connection:
        return connection.execute(sa.select(jobs.c[name]).where(jobs.c.id == job.id)).scalar_one()
