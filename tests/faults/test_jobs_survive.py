"""Jobs survive whoever dies: the caller, the worker, the whole service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from e2e.running import Service, running_service, wait_until
from layerwise_client import Client, Job, datasets
from layerwise_service.stores.database import Database

ARCHITECTURE = {"layers": [{"units": 64, "activation": "relu", "dropout": 0.2}]}
PLAN = {"epochs": 60, "batch_size": 8, "validation": 0.1}  # some seconds


def train(client: Client, model: str = "digits") -> Job:
    X, y = datasets.load("digits")
    return client.train(model, ARCHITECTURE, X, y, plan=PLAN, progress=False)


def has_begun(job: Job) -> bool:
    return job.refresh().record is not None


def sha256(client: Client, model: str) -> str:
    return client.model(model).versions[0].sha256


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SHA-256 of the weights' file but for the lineage: of a job that nobody disturbed."""
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    with running_service(home) as service, service.client() as client:
        train(client).wait(timeout=60)
        return weights(client, service, "digits")


def weights(client: Client, service: Service, model: str) -> str:
    import hashlib

    import numpy as np

    path = service.home / "artifacts" / "models" / f"{sha256(client, model)}.npz"
    with np.load(path) as file:
        arrays = b"".join(file[name].tobytes() for name in sorted(file.files) if name != "manifest")
    return hashlib.sha256(arrays).hexdigest()


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

        job.wait(timeout=60)

        assert (job.state, job.attempt) == ("SUCCEEDED", 1)
        assert weights(client, service, "digits") == undisturbed


def test_the_job_of_a_killed_worker_is_claimed_again_and_ends_with_the_same_weights(
    tmp_path: Path, undisturbed: str
) -> None:
    with running_service(tmp_path / "home") as service, service.client() as client:
        job = train(client)
        wait_until(lambda: has_begun(job))
        (pid,) = service.pids("worker")

        os.kill(pid, signal.SIGKILL)
        steps = [record.step for record in job.watch()]
        job.wait(timeout=60)

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


def test_a_job_outlives_the_service(tmp_path: Path, undisturbed: str) -> None:
    home = tmp_path / "home"
    with running_service(home) as service, service.client() as client:
        job = train(client)
        wait_until(lambda: has_begun(job))
        assert service.stop() == 0

    with running_service(home) as service, service.client() as client:
        again = client.job(job.id).wait(timeout=60)

        assert (again.state, again.attempt) == ("SUCCEEDED", 2)
        assert "WORKER_STOPPED" in [change.reason for change in again.transitions]
        assert weights(client, service, "digits") == undisturbed


def test_a_frozen_workers_job_is_taken_over_and_what_it_says_later_is_not_heard(
    tmp_path: Path, undisturbed: str
) -> None:
    with (
        running_service(tmp_path / "home", "--workers", "2", LAYERWISE_LEASE_SECONDS="1.5") as service,
        service.client() as client,
    ):
        job = train(client)
        wait_until(lambda: has_begun(job))
        frozen = worker_of(service, job)

        os.kill(frozen, signal.SIGSTOP)
        wait_until(lambda: job.refresh().attempt == 2)
        os.kill(frozen, signal.SIGCONT)
        job.wait(timeout=60)

        assert (job.state, job.attempt, job.version) == ("SUCCEEDED", 2, 1)
        assert len(client.model("digits").versions) == 1
        assert weights(client, service, "digits") == undisturbed
        wait_until(lambda: any(word in service.log.read_text() for word in ('"order": "drop"', "job_fenced")))


def worker_of(service: Service, job: Job) -> int:
    """Process id of the worker that has the job in hand."""
    with Database(f"sqlite:///{service.home / 'layerwise.db'}").read() as connection:
        worker = connection.scalar(sa.text("SELECT worker FROM jobs WHERE id = :id"), {"id": job.id})
    return next(pid for pid in service.pids("worker") if str(worker) in Path(f"/proc/{pid}/cmdline").read_text())


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
