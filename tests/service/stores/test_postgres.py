"""What is PostgreSQL's alone. All that it shares with SQLite is tested on both, in the other files."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from helpers.databases import database_at
from helpers.postgres import PostgresServer, running_postgres
from helpers.service_values import new_job
from layerwise_service.domain.datasets import Dataset
from layerwise_service.errors import Unavailable
from layerwise_service.settings import Settings
from layerwise_service.stores import database as database_module
from layerwise_service.stores.database import Database
from layerwise_service.stores.migrations import HEAD, migrate
from layerwise_service.stores.schema import metadata
from layerwise_service.wiring import Stores, open_stores


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[sa.URL]:
    made = postgres.new_database()
    yield made
    postgres.drop(made)


@pytest.fixture
def database_url(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


@pytest.fixture
def mine() -> Iterator[PostgresServer]:
    """A server that a test may stop."""
    with running_postgres() as server:
        yield server


def test_the_migrations_lead_to_the_schema_of_a_new_database(postgres: PostgresServer, url: sa.URL) -> None:
    migrated = database_at(HEAD, url)

    with migrated.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    migrated.close()


def test_processes_that_open_an_empty_database_at_once_make_it_once(url: sa.URL) -> None:
    databases = [Database(url) for _ in range(8)]
    errors: list[Exception] = []

    def make(database: Database) -> None:
        try:
            migrate(database)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=make, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with databases[0].read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
    for database in databases:
        database.close()


def test_a_lock_that_another_process_keeps_is_not_waited_for_for_ever(
    stores: Stores, url: sa.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.2)
    other = Database(url)

    with stores.database.write() as connection:
        connection.execute(sa.text("LOCK TABLE jobs"))
        begin = time.monotonic()
        with pytest.raises(Unavailable) as caught, other.write() as waiting:
            waiting.execute(sa.text("SELECT count(*) FROM jobs"))

    assert caught.value.retry_after == 1
    assert time.monotonic() - begin < 2
    other.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_was_away_is_used_again_without_a_word(
    settings: Settings, mine: PostgresServer, how: int
) -> None:
    stores = open_stores(msgspec.structs.replace(settings, database_url=mine.new_database().render_as_string()))
    stores.jobs.count_by_state()
    stores.leases.wait_for_job(0.0)

    mine.stop(how)
    with pytest.raises(Unavailable):
        stores.jobs.count_by_state()
    begin = time.monotonic()
    stores.leases.wait_for_job(0.3)  # it waits all the same: else a worker would ask without a pause
    assert time.monotonic() - begin >= 0.3
    mine.start()

    assert sum(stores.jobs.count_by_state().values()) == 0
    stores.close()


def test_a_worker_is_woken_again_after_the_server_was_away(settings: Settings, mine: PostgresServer) -> None:
    stores = open_stores(msgspec.structs.replace(settings, database_url=mine.new_database().render_as_string()))
    stores.leases.wait_for_job(0.0)
    mine.stop()
    stores.leases.wait_for_job(1.0)  # finds that the connection is lost
    mine.start()
    stores.leases.wait_for_job(0.0)
    waiting = threading.Thread(target=stores.leases.wait_for_job, args=(60.0,), daemon=True)
    waiting.start()

    with stores.database.write() as connection:
        connection.execute(sa.text("SELECT pg_notify('layerwise_jobs', '')"))
    waiting.join(30)

    assert not waiting.is_alive()
    stores.close()


def test_a_job_is_given_to_one_of_two_workers_that_look_at_once(stores: Stores, url: sa.URL, dataset: Dataset) -> None:
    """The one that is being claimed is skipped, and not waited for."""
    first, second = (stores.jobs.submit(new_job(dataset), dataset, max_open=10).id for _ in range(2))

    with stores.database.write() as connection:
        connection.execute(sa.text("SELECT id FROM jobs WHERE id = :id FOR UPDATE"), {"id": first})
        claim = stores.leases.claim("w")

    assert claim is not None
    assert claim.job.id == second
