"""What the service's tests share: stores in a folder of their own, a dataset."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from sqlalchemy.engine import Connection

from helpers.postgres import PostgresServer, running_postgres
from helpers.rpc_requests import running_rpc
from helpers.service_values import LIMITS, ROWS
from layerwise import MLP, Architecture, Layer, Plan, fit
from layerwise_proto.v1.training_pb2_grpc import TrainingServiceStub
from layerwise_service.domain.datasets import Batch, Dataset
from layerwise_service.domain.jobs import NewJob
from layerwise_service.domain.models import Version
from layerwise_service.settings import Settings
from layerwise_service.stores.database import Database
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Leases, NewVersion
from layerwise_service.wiring import Stores, build_worker, open_stores


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def database_url() -> str:
    """The database of the stores: SQLite in their home. Where both are tested, a fixture nearer to the test says so."""
    return ""


@pytest.fixture(params=["sqlite", "postgresql"])
def either_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url.render_as_string(hide_password=False)
    server.drop(url)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        home=str(tmp_path / "home"),
        database_url=database_url,
        rpc_address="127.0.0.1:0",
        lease_seconds=2.0,
        refresh_seconds=0.05,
        stop_seconds=2.0,
        max_units=1000,
        max_parameters=50_000,
        max_layers=4,
        max_epochs=100_000,
        max_features=20,
        max_dataset_bytes=1_000_000,
        max_message_bytes=2**20,
        reflection=True,
    )


@pytest.fixture
def stores(settings: Settings) -> Iterator[Stores]:
    opened = open_stores(settings)
    yield opened
    opened.database.close()


@pytest.fixture
def dataset(stores: Stores) -> Dataset:
    writer = stores.artifacts.new_dataset(classes=None, **LIMITS)
    writer.add(Batch(ROWS, ["no", "yes", "yes", "no"]))
    made = writer.finish()
    stores.artifacts.keep(writer, made)
    return made


class OneTransaction(Database):
    """A database whose transactions are all part of the one that `connection` has begun."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def read(self) -> Generator[Connection]:
        yield self._connection

    write = read


@pytest.fixture
def publish(stores: Stores, dataset: Dataset) -> Callable[..., Version]:
    """Makes a version as a worker would: `labels` None is a regression of `outputs` values."""

    def make(
        model: str = "xor",
        *,
        labels: tuple[Any, ...] | None = ("no", "yes"),
        outputs: int = 1,
        loss: str | None = None,
        scale: float = 1.0,
        seed: int = 0,
    ) -> Version:
        outputs = outputs if labels is None else len(labels)
        loss = loss or ("squared_error" if labels is None else "softmax_cross_entropy")
        architecture = Architecture(inputs=2, layers=(Layer(4, activation="relu"), Layer(outputs)))
        plan = Plan(loss=loss, epochs=1, batch_size=2, standardize_targets=False)
        network = MLP(architecture, seed=seed)
        y = np.zeros((4, outputs), np.float32) if labels is None else np.arange(4) % outputs
        for _ in fit(network, ROWS, y, plan=plan):
            pass
        network.labels = labels
        network.parameters[:] *= scale
        sha256, size = stores.artifacts.keep_model(network)
        new = NewJob(model, architecture.to_json(), plan.to_json(), dataset.sha256, "accuracy", fingerprint="f")
        made = NewVersion(sha256, size, dict(network.metrics), architecture.parameters, labels)
        with stores.database.write() as connection:  # as a whole, else a worker that runs would claim the job
            here = OneTransaction(connection)
            leases = Leases(here, lease_seconds=60, max_losses=3)
            job = JobStore(here).submit(new, dataset, max_open=1000)
            claim = leases.claim("w")
            assert claim is not None
            assert claim.job.id == job.id
            version = leases.publish(claim, made)
            assert version is not None
            return version

    return make


@pytest.fixture
def channel(settings: Settings, stores: Stores) -> Iterator[grpc.Channel]:
    """A channel to a server that runs in a thread of its own."""
    with running_rpc(settings) as (address, _), grpc.insecure_channel(address) as opened:
        yield opened


@pytest.fixture
def training(channel: grpc.Channel) -> TrainingServiceStub:
    return TrainingServiceStub(channel)


@pytest.fixture
def worker(settings: Settings, stores: Stores) -> Iterator[None]:
    """A worker in a thread of its own."""
    runner = build_worker(settings, "worker-in-a-thread")
    thread = threading.Thread(target=runner.run)
    thread.start()
    yield
    runner.stop()
    thread.join(20)
    assert not thread.is_alive()
