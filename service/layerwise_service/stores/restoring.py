"""Restoring a backup into a new home, and into a database of either kind. For what a backup is, see backup.py."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from alembic.util import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from layerwise_service.domain.job_states import HELD
from layerwise_service.errors import DatabaseUnusable, DataLoss
from layerwise_service.stores.backup import ABOUT, FORMAT, HASHES, LEFT_OUT, Backup
from layerwise_service.stores.checkpoint_store import checked_name
from layerwise_service.stores.database import Database
from layerwise_service.stores.files import locked, make_private_folder, storage_errors, sync_folder
from layerwise_service.stores.identity import bind_folder, has_artifacts
from layerwise_service.stores.lost_workers import take_back
from layerwise_service.stores.migrations import HEAD, migrate, upgrade_to
from layerwise_service.stores.schema import datasets, jobs, registry, store, versions
from layerwise_service.stores.sqlite import DatabaseFile, sqlite_path

_MEMBER = re.compile(
    r"layerwise-backup\.json|hashes\.json|database/[a-z_]{1,64}\.jsonl|artifacts/(?:"
    r"models/[0-9a-f]{64}\.(?:npz|probes\.json)|datasets/[0-9a-f]{64}/[a-z0-9_]{1,64}(?:\.[a-z0-9]{1,16}){1,2}|"
    r"checkpoints/[0-9a-z]{1,32}-[0-9]{1,12}-[0-9]{1,20}\.npz)"
)
_MODEL = re.compile(r"artifacts/models/([0-9a-f]{64})\.npz")
_DRAFT = ".restoring"
_BLOCK = 2**20
_ROWS = 500  # inserted at a time


def restore(url: sa.URL, root: Path, file: BinaryIO, *, on_file: Callable[[str], None]) -> Backup:
    """Restore a backup into the database at `url` and the folder `root` of the artefacts, which must both be empty.

    All hashes are compared before anything is put in its place, and the database is filled in one transaction: after an
    error, or if the process is killed, restore again. Raises `DataLoss` for a damaged backup, `DatabaseUnusable` if the
    target is in use.
    """
    make_private_folder(root)
    draft, backup = root / _DRAFT, Backup()
    with locked(root / ".opening"):
        if has_artifacts(root) and not draft.exists():
            raise DatabaseUnusable(f"{root} holds datasets or models already: restore into a new home")
        _check_empty(url)
        try:
            with storage_errors():
                shutil.rmtree(draft, ignore_errors=True)
                make_private_folder(draft)
            with _damage():
                about = _unpack(file, draft, backup, on_file)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        with closing(Database(url, create=True)) as database, _damage():
            _prepare(database, about["schema"])
            with storage_errors():
                _put_in_place(draft, root)
            with database.write() as connection:
                _insert(connection, draft, backup)
            migrate(database)
            with database.write() as connection:
                _requeue(connection, root)
            bind_folder(root, about["store"])
        shutil.rmtree(draft, ignore_errors=True)
    return backup


@contextmanager
def _damage() -> Generator[None]:
    """Turn errors about what a backup has into one that says so."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, SQLAlchemyError, CommandError) as error:
        raise DataLoss(f"the backup is damaged: it has what none has ({type(error).__name__})") from error


def _check_empty(url: sa.URL) -> None:
    if url.get_backend_name() == "sqlite" and DatabaseFile(sqlite_path(url)).holds_nothing:
        return
    with closing(Database(url)) as database, database.read() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        for table in (jobs, versions, datasets):
            if table.name in tables and connection.scalar(sa.text(f"SELECT 1 FROM {table.name} LIMIT 1")):  # noqa: S608
                raise DatabaseUnusable(f"the database {database.name} is in use already: restore into a new one")


def _unpack(file: BinaryIO, draft: Path, backup: Backup, on_file: Callable[[str], None]) -> Mapping[str, Any]:
    """Unpack the backup into the folder `draft`, compare all hashes, and return what it says of itself."""
    found: dict[str, str] = {}
    try:
        with tarfile.open(fileobj=file, mode="r|*") as tar:
            for member in tar:
                if not member.isreg() or not _MEMBER.fullmatch(member.name) or member.name in found:
                    raise DataLoss(f"this is no backup of Layerwise: it has {member.name[:128]!r}")
                on_file(member.name)
                data = tar.extractfile(member)
                assert data is not None
                found[member.name] = _write(draft / member.name, data)
                backup.size += member.size
                if member.name == ABOUT:
                    _check_about(_read_json(draft / ABOUT))
    except (tarfile.TarError, EOFError) as error:
        raise DataLoss(f"the backup is damaged or no tar file: {error}") from error
    if ABOUT not in found or HASHES not in found:
        raise DataLoss("the backup is not complete: it ends before its last file")
    told = _read_json(draft / HASHES)
    del found[HASHES]
    expected: dict[str, str] = told["hashes"]
    if wrong := sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name)):
        raise DataLoss(f"the backup is damaged: {wrong[0]} is not what was written")
    backup.hashes, backup.lost = found, list(told["lost"])
    for name, sha256 in found.items():
        if (model := _MODEL.fullmatch(name)) and model[1] != sha256 and name not in backup.lost:
            raise DataLoss(f"the backup is damaged: {name} has another SHA-256 than its name says")
    about: Mapping[str, Any] = _read_json(draft / ABOUT)
    return about


def _check_about(about: Mapping[str, Any]) -> None:
    if about.get("format") != FORMAT or str(about.get("schema")) > HEAD:
        release = about.get("release")
        raise DataLoss(f"the backup is of Layerwise {release}, which is newer than this one: use that release")


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise DataLoss(f"the backup is damaged: {path.name} is no JSON") from error


def _write(path: Path, data: Any) -> str:
    """Write a file durably, and return its SHA-256."""
    digest = hashlib.sha256()
    with storage_errors():
        make_private_folder(path.parent)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            while block := data.read(_BLOCK):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    return digest.hexdigest()


def _prepare(database: Database, schema: str) -> None:
    """Make the schema that the backup has, which may be that of an older release."""
    if schema == HEAD:
        migrate(database)
    else:
        upgrade_to(database, schema)


def _put_in_place(draft: Path, root: Path) -> None:
    """Move the unpacked files to their places."""
    for kind in ("models", "datasets", "checkpoints"):
        place = root / kind
        make_private_folder(place)
        unpacked = draft / "artifacts" / kind
        for path in sorted(unpacked.iterdir()) if unpacked.exists() else ():
            target = place / path.name
            if target.is_dir():  # of a restoring that was killed
                shutil.rmtree(target)
            path.replace(target)
        sync_folder(place)


def _insert(connection: Connection, draft: Path, backup: Backup) -> None:
    """Insert the rows of all tables, in the order in which they refer to each other."""
    tables = sa.MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, sa.JSON):  # None is no value, and not JSON's null, where there may be none
                column.type = sa.JSON(none_as_null=bool(column.nullable))
    for name in (registry.name, store.name):
        connection.execute(sa.delete(tables.tables[name]))
    left_out = {table.name for table in LEFT_OUT}
    for table in tables.sorted_tables:
        path = draft / "database" / f"{table.name}.jsonl"
        if table.name in left_out or not path.exists():
            continue
        backup.counts[table.name] = 0
        for rows in _blocks(path):
            connection.execute(sa.insert(table), rows)
            backup.counts[table.name] += len(rows)


def _blocks(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open() as lines:
        while rows := [json.loads(line) for line in islice(lines, _ROWS)]:
            yield rows


def _requeue(connection: Connection, root: Path) -> None:
    """Queue the jobs that workers held, since these are elsewhere. They go on from the checkpoints that are here.

    Others were replaced by newer ones while the backup was written.
    """
    kept = sa.select(jobs.c.id, jobs.c.checkpoints).where(jobs.c.checkpoints.is_not(None))
    for job in connection.execute(kept).all():
        place = root / "checkpoints"
        there = [each for each in job.checkpoints if (place / f"{checked_name(each['name'])}.npz").exists()]
        connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(checkpoints=there or None))
    for held in connection.execute(sa.select(jobs).where(jobs.c.state.in_(HELD))).all():
        take_back(connection, held, to_blame=False, max_losses=held.losses + 1)
