"""The database: safe settings, one schema, clear words when it cannot be used."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from helpers.clock import Clock
from helpers.databases import database_at
from layerwise_service.domain.datasets import Dataset, Shape
from layerwise_service.domain.jobs import NewJob
from layerwise_service.errors import DatabaseUnusable, DataLoss, InvalidRequest, Unavailable
from layerwise_service.stores import database as database_module
from layerwise_service.stores import migrations
from layerwise_service.stores.alias_store import AliasStore
from layerwise_service.stores.database import Database, now
from layerwise_service.stores.job_store import JobStore
from layerwise_service.stores.leases import Leases
from layerwise_service.stores.migrations import HEAD, migrate
from layerwise_service.stores.schema import metadata
from layerwise_service.stores.sqlite import wal_is_safe
from layerwise_service.stores.version_store import VersionStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "layerwise.db"


def open_at(path: Path) -> Database:
    database = Database(f"sqlite:///{path}", create=True)
    migrate(database)
    return database


def pragma(database: Database, name: str) -> object:
    with database.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def sqlite_version(database: Database) -> object:
    with database.read() as connection:
        return connection.exec_driver_sql("SELECT sqlite_version()").scalar()


def test_what_is_acknowledged_survives_a_power_cut(path: Path) -> None:
    database = open_at(path)

    version = tuple(int(part) for part in str(sqlite_version(database)).split("."))
    assert pragma(database, "journal_mode") == ("wal" if wal_is_safe(version) else "truncate")
    assert pragma(database, "synchronous") == 2  # FULL
    assert pragma(database, "mmap_size") in (0, None)
    assert pragma(database, "foreign_keys") == 1


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_the_write_ahead_log_is_used_only_without_its_reset_race(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_the_migrations_lead_to_the_schema_and_to_the_rows_that_a_new_database_has(tmp_path: Path) -> None:
    new, migrated = open_at(tmp_path / "new.db"), database_at(HEAD, tmp_path / "migrated.db")

    assert outline(migrated) == outline(new)
    with migrated.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def outline(database: Database) -> dict[str, Any]:
    """Return what each table is and holds, whatever the order of its columns."""
    found: dict[str, Any] = {}
    with database.read() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            columns = sorted(inspector.get_columns(table), key=lambda column: column["name"])
            names = ", ".join(f'"{column["name"]}"' for column in columns)
            found[table] = {
                "columns": [{**column, "type": str(column["type"])} for column in columns],
                "key": inspector.get_pk_constraint(table),
                "foreign": sorted(inspector.get_foreign_keys(table), key=str),
                "unique": sorted(inspector.get_unique_constraints(table), key=str),
                "indexes": sorted(map(described, inspector.get_indexes(table))),
                "rows": connection.exec_driver_sql(f"SELECT {names} FROM {table}").fetchall(),
            }
    return found


def described(index: Any) -> str:
    """Return all that an index is, its condition as text."""
    options = {name: str(option) for name, option in index["dialect_options"].items()}
    return str({**index, "dialect_options": options})


def older_database(path: Path) -> Database:
    """A database of an older release, with a dataset."""
    database = database_at("0003", path)
    with database.write() as connection:
        connection.exec_driver_sql("INSERT INTO datasets VALUES ('d', 1, 1, 1, NULL, 1, 0, NULL)")
    return database


def test_jobs_of_an_older_release_keep_their_order(path: Path) -> None:
    database = older_database(path)
    with database.write() as connection:
        for job, created in (("b", 2.0), ("a", 2.0), ("z", 1.0), ("c", 3.0)):
            connection.exec_driver_sql(
                "INSERT INTO jobs (id, model, state, architecture, plan, dataset, metric, created, fingerprint) "
                "VALUES (?, 'm', 'RUNNING', '{}', '{}', 'd', 'r2', ?, 'f')",
                (job, created),
            )

    migrate(database)

    store = JobStore(database)
    assert [job.id for job in store.page(limit=9)] == ["c", "b", "a", "z"]
    newest = store.submit(NewJob("m", {}, {}, "d", "r2", "g"), Dataset("d", Shape(1, 1, 1, None), 0), max_open=9)
    assert store.page(limit=1)[0].id == newest.id


def test_plans_of_an_older_release_leave_targets_as_they_were(path: Path) -> None:
    database = older_database(path)
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO jobs (id, model, state, architecture, plan, dataset, metric, created, fingerprint) "
            "VALUES ('a', 'm', 'QUEUED', '{}', '{\"epochs\": 3}', 'd', 'r2', 1, 'f')"
        )

    migrate(database)

    assert JobStore(database).get("a").plan == {"epochs": 3, "standardize_targets": False}


def test_jobs_of_an_older_release_keep_the_number_of_rows_held_out(path: Path) -> None:
    database = database_at("0011", path)
    choices = '{"target": "y", "task": "AMOUNT", "why": "", "left_out": 0, "ignored": [], "weight": "", "held_out": %d}'
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO datasets (sha256, rows, features, outputs, size_bytes, created) VALUES ('d', 1, 1, 1, 1, 0)"
        )
        for number, (source, chosen) in enumerate([(None, None), ("s", choices % 0), ("s", choices % 30)]):
            connection.exec_driver_sql(
                "INSERT INTO jobs (id, number, model, state, architecture, plan, dataset, metric, "
                "created, fingerprint, source, source_choices) "
                "VALUES (?, ?, 'm', 'QUEUED', '{}', '{}', 'd', 'r2', 1, 'f', ?, ?)",
                (str(number), number, source, chosen),
            )

    migrate(database)

    store = JobStore(database)
    assert [store.get(str(number)).held_out for number in range(3)] == [0, 0, 30]
    assert store.get("2").source is not None


def test_aliases_of_an_older_release_move_and_roll_back(path: Path) -> None:
    database = database_at("0012", path)
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO datasets (sha256, rows, features, outputs, size_bytes, created) VALUES ('d', 1, 1, 1, 1, 0)"
        )
        connection.exec_driver_sql(
            "INSERT INTO jobs (id, number, model, state, architecture, plan, dataset, metric, created, fingerprint) "
            "VALUES ('a', 1, 'm', 'SUCCEEDED', '{}', '{}', 'd', 'r2', 1, 'f')"
        )
        for number in (1, 2):
            connection.exec_driver_sql(
                "INSERT INTO model_versions (model, number, job, created, sha256, size_bytes, metrics, architecture, "
                "plan, parameters, dataset) VALUES ('m', ?, 'a', 1, ?, 1, '{}', '{}', '{}', 1, 'd')",
                (number, str(number)),
            )
        connection.exec_driver_sql("INSERT INTO model_aliases VALUES ('m', 'champion', 1)")

    migrate(database)

    store = AliasStore(database)
    assert store.moves("m", "champion") == []
    store.set("m", "champion", 2)
    assert store.rollback_target("m", "champion") == 1
    VersionStore(database).delete("m", 1)
    assert VersionStore(database).get("m").latest == 2


def test_versions_and_encoders_of_an_older_release_keep_their_jobs_and_aliases(path: Path) -> None:
    database = database_at("0012", path)
    with database.write() as connection:
        for statement in (
            "INSERT INTO datasets (sha256, rows, features, outputs, size_bytes, created) VALUES ('d', 1, 1, 1, 1, 0)",
            "INSERT INTO jobs (id, number, model, state, architecture, plan, dataset, metric, created, fingerprint) "
            "VALUES ('j', 1, 'm', 'SUCCEEDED', '{}', '{}', 'd', 'r2', 1, 'f')",
            "INSERT INTO encoders VALUES ('j', '{\"a\": 1}')",
            "INSERT INTO encoder_columns VALUES ('j', 0, 'x', 'category', '{}', 0, '{}', 1, 2, 0, 9, 9)",
            "INSERT INTO encoder_categories VALUES ('j', 0, 0, '[\"p\", \"q\"]')",
            "INSERT INTO model_versions (model, number, job, created, sha256, size_bytes, metrics, architecture, plan, "
            "parameters, dataset) VALUES ('m', 1, 'j', 1, 's', 1, '{}', '{}', '{}', 1, 'd')",
            "INSERT INTO model_aliases (model, alias, number) VALUES ('m', 'champion', 1)",
        ):
            connection.exec_driver_sql(statement)

    migrate(database)

    versions = VersionStore(database)
    assert versions.get("m").aliases == {"champion": 1}
    assert (versions.job_of("m", "champion"), versions.encoder_of("m", "1")) == ("j", "j")
    categories = JobStore(database).encoders.categories("j", "x", limit=9, start=0)
    assert categories.items == ["p", "q"]


def test_eight_threads_may_open_a_new_database_at_once(path: Path) -> None:
    path.parent.mkdir()
    barrier = threading.Barrier(8)
    errors: list[BaseException] = []

    def run() -> None:
        barrier.wait()
        try:
            open_at(path).close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with open_at(path).read() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == HEAD


@pytest.mark.parametrize("step", ["_create", "_upgrade"])
def test_an_unfinished_migration_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    database = Database(f"sqlite:///{path}", create=True) if step == "_create" else database_at("0003", path)
    before, whole = outline(database), getattr(migrations, step)

    def cut_short(connection: sa.Connection) -> None:
        whole(connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, step, cut_short)
    with pytest.raises(KeyboardInterrupt):
        migrate(database)
    monkeypatch.undo()

    assert outline(database) == before
    migrate(database)
    assert pragma(database, "integrity_check") == "ok"


def test_a_damaged_database_is_named_and_left_alone(path: Path) -> None:
    open_at(path).close()
    damaged = b"not a database" * 500
    path.write_bytes(damaged)

    with pytest.raises(DatabaseUnusable, match=r"layerwise.db cannot be opened .* restore it from a backup"):
        open_at(path)

    assert path.read_bytes() == damaged


def test_a_newer_schema_is_refused(path: Path) -> None:
    database = open_at(path)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseUnusable, match="newer than this release"):
        migrate(database)


def test_a_locked_database_is_told_as_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.1)
    database, other = open_at(path), Database(f"sqlite:///{path}")

    with other.write(), pytest.raises(Unavailable) as caught, database.write():
        pytest.fail("the lock was not respected")

    assert caught.value.retry_after == 1
    with database.write() as connection:
        connection.execute(sa.text("UPDATE registry SET revision = 7"))


def test_a_database_that_lacks_a_table_is_no_passing_trouble(path: Path) -> None:
    database = open_at(path)

    with pytest.raises(sa.exc.OperationalError, match="no such table"), database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM gone")


def test_a_database_damaged_while_it_is_open_is_told_as_such(path: Path) -> None:
    database = open_at(path)
    pragma(database, "wal_checkpoint(TRUNCATE)")
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    with pytest.raises(DataLoss, match="restore it"), database.read() as connection:
        connection.execute(sa.text("SELECT * FROM jobs")).all()


def test_what_callers_sent_is_not_told_in_errors_of_the_database(path: Path) -> None:
    with pytest.raises(sa.exc.IntegrityError) as caught, open_at(path).write() as connection:
        connection.execute(sa.insert(metadata.tables["registry"]).values(id=1, revision=12345))

    assert "12345" not in str(caught.value)


def test_a_value_that_the_database_cannot_hold_is_the_callers(path: Path) -> None:
    refused = sa.exc.DataError("SELECT", {}, ValueError("text fields cannot contain NUL"))  # as PostgreSQL's driver

    with pytest.raises(InvalidRequest, match="the database cannot store a value of this request"), open_at(path).read():
        raise refused

    with pytest.raises(sa.exc.DataError), open_at(path).write():  # ours: a worker's, for one
        raise refused


def test_a_transaction_that_raises_changes_nothing(path: Path) -> None:
    database = open_at(path)

    def fail() -> None:
        with database.write() as connection:
            connection.execute(sa.text("UPDATE registry SET revision = 7"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT revision FROM registry")) == 0


def test_the_clock_is_in_seconds_since_1970(path: Path) -> None:
    with open_at(path).read() as connection:
        database_time, sqlite_time = connection.execute(
            sa.select(now(), sa.text("CAST(strftime('%s', 'now') AS REAL)"))
        ).one()

    assert abs(database_time - sqlite_time) <= 1.1


def test_a_database_that_is_damaged_while_it_is_open_is_data_loss(path: Path) -> None:
    database = open_at(path)
    database.close()  # with its connections, which have pages in memory
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    with pytest.raises(DataLoss, match="the database is damaged: restore it from a backup"):
        JobStore(database).page(limit=1)


def test_jobs_that_an_older_release_was_to_cancel_are_cancelled_and_keep_no_other_waiting(path: Path) -> None:
    database = database_at("0017", path)
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO datasets (sha256, rows, features, outputs, size_bytes, created) VALUES ('d', 1, 1, 1, 0, 0)"
        )
        names = (
            "id, number, model, state, architecture, plan, dataset, metric, created, fingerprint, attempt, last_event"
        )
        for number, job in enumerate(("held", "queued", "other"), start=1):
            state, cancel = "RUNNING" if job == "held" else "QUEUED", job != "other"
            values = f"'{job}', {number}, 'm', '{state}', '{{}}', '{{}}', 'd', 'r2', 0, 'f', 1, 1, {cancel}"
            connection.exec_driver_sql(f"INSERT INTO jobs ({names}, cancel_requested) VALUES ({values})")
            columns = "job, number, time, attempt, state, reason"
            connection.exec_driver_sql(f"INSERT INTO job_events ({columns}) VALUES ('{job}', 1, 5, 1, '{state}', 'X')")
    migrate(database)
    clock = Clock()
    leases = Leases(database, lease_seconds=10.0, max_losses=3, clock=clock)

    claims = []
    for _ in range(60):
        clock.seconds += 0.5
        claims += [claim.job.id for claim in [leases.claim("w")] if claim is not None]

    store = JobStore(database)
    assert set(claims) == {"other"}
    assert (store.get("held").state, store.get("queued").state) == ("CANCELLED", "CANCELLED")
    assert [change.state for change in store.get("held").transitions] == ["RUNNING", "CANCELLING", "CANCELLED"]
    database.close()
