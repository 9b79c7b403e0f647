"""A service on PostgreSQL, and what it does while the database is away."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import pytest

from helpers import waiting
from helpers.postgres import running_postgres
from helpers.running import running_service
from helpers.weights import weights
from layerwise_client import Client, Job, datasets

ARCHITECTURE = {"layers": [{"units": 64, "activation": "relu", "dropout": 0.2}]}
PLAN = {"epochs": 60, "batch_size": 8, "validation": 0.1}  # some seconds
SECONDS = 120.0
AWAY = 6.0  # seconds, several leases long
wait_until = partial(waiting.wait_until, seconds=SECONDS)

pytestmark = pytest.mark.timeout(600)


def train(client: Client) -> Job:
    X, y = datasets.load("digits")
    return client.train("digits", ARCHITECTURE, X, y, plan=PLAN, progress=False)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_30_a_database_that_goes_away_costs_no_job_and_no_prediction(tmp_path: Path, how: int) -> None:
    X, _ = datasets.load("digits")
    with running_service(tmp_path / "undisturbed") as service, service.client() as client:
        train(client).wait(timeout=SECONDS)
        undisturbed = weights(client, service, "digits")

    with running_postgres() as server:
        environment = {
            "LAYERWISE_DATABASE_URL": server.new_database().render_as_string(),
            "LAYERWISE_LEASE_SECONDS": "1.5",
            "LAYERWISE_CHECKPOINT_SECONDS": "0.5",
        }
        with running_service(tmp_path / "home", **environment) as service, service.client(over_rest=True) as client:
            train(client).wait(timeout=SECONDS)
            job = train(client)
            wait_until(lambda: job.refresh().record is not None)

            server.stop(how)
            seen = [client.predict("digits", X[:10]).labels for _ in waiting.every(0.2, seconds=AWAY)]
            server.start()
            steps = [record.step for record in job.watch()]
            job.wait(timeout=SECONDS)

            assert len(seen) > 10
            assert job.version == 2
            assert len(steps) == len(set(steps)) == PLAN["epochs"]
            assert weights(client, service, "digits", 2) == weights(client, service, "digits") == undisturbed
