"""Backups: the database at one moment, and the files that it knows, as one tar file.

layerwise-backup.json     what it is, and of which release
database/<table>.jsonl    the rows of each table, each a line of JSON
artifacts/…               the files, at their places in the home
hashes.json               the SHA-256 of each of these; it is the last, so a backup without it is not complete
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise.checks import counted
from layerwise_service.errors import DatabaseUnusable
from layerwise_service.stores.checkpoint_store import checked_name
from layerwise_service.stores.database import Database
from layerwise_service.stores.files import open_stored
from layerwise_service.stores.migrations import HEAD, revision_of
from layerwise_service.stores.schema import datasets, jobs, pending_artifacts, versions, workers
from layerwise_service.stores.whole_datasets import is_whole

ABOUT, HASHES = "layerwise-backup.json", "hashes.json"
FORMAT = 1
LEFT_OUT = (workers, pending_artifacts)
"""Tables of what is of no use elsewhere: workers that live, and files that nothing uses."""
_ROWS = 500  # at a time in memory


@dataclass
class Backup:
    """What a backup has."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    """Rows by table."""
    size: int = 0
    """Bytes of all files."""
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    """The SHA-256 of each file by its name."""
    lost: list[str] = field(default_factory=list[str])
    """Files that the database knows, and that are missing or damaged."""

    def summary(self) -> str:
        """Return what it has in a few words."""
        parts = {"version": versions, "job": jobs, "dataset": datasets}
        told = ", ".join(counted(self.counts.get(table.name, 0), name) for name, table in parts.items())
        return f"{told}; {self.size / 1e6:,.1f} MB"


def write_backup(database: Database, root: Path, file: BinaryIO, *, on_file: Callable[[str], None]) -> Backup:
    """Write a backup into `file`, while a service of any release runs; `root` is the folder of the artefacts.

    Nothing is changed. The database is read in one transaction. Datasets and models never change, and are removed a day
    after their last use: all that were known at that moment are there. Checkpoints are opened at once, since newer ones
    replace them. `on_file` is called with the name of each file. Raises `ServiceError`, `DatabaseUnusable`.
    """
    backup = Backup()
    with ExitStack() as closing:
        spool = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        with database.read() as connection:
            tables = _tables(connection, database.name)
            about = {
                "format": FORMAT,
                "release": version("layerwise"),
                "schema": revision_of(connection),
                "store": connection.scalar(sa.select(tables["store"])),
                "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            spooled = {name: _spooled(connection, table, spool, backup) for name, table in tables.items()}
            checkpoints = dict(_opened(connection, tables["jobs"], root, closing))
            models = sorted(set(connection.scalars(sa.select(tables["model_versions"].c.sha256))))
            known = connection.execute(sa.select(tables["datasets"])).mappings().all()
        tar = closing.enter_context(tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT))
        _add(tar, backup, ABOUT, io.BytesIO(json.dumps(about, indent=1).encode()))
        for name, path in spooled.items():
            with path.open("rb") as rows:
                _add(tar, backup, f"database/{name}.jsonl", rows)
        for name, opened in checkpoints.items():
            on_file(name)
            _add(tar, backup, f"artifacts/checkpoints/{name}.npz", opened)
        for sha256 in models:
            on_file(sha256)
            _add_model(tar, backup, root, sha256)
        for row in known:
            on_file(row["sha256"])
            _add_dataset(tar, backup, root, dict(row))
        hashes = {"hashes": dict(backup.hashes), "lost": backup.lost}
        _add(tar, backup, HASHES, io.BytesIO(json.dumps(hashes, indent=1).encode()))
    return backup


def _tables(connection: Connection, name: str) -> dict[str, sa.Table]:
    """Return the tables as they are, in the order in which they refer to each other."""
    revision = revision_of(connection)
    if revision is None or revision > HEAD:
        found = "no tables of Layerwise" if revision is None else f"schema {revision}, that of a newer release"
        raise DatabaseUnusable(f"the database {name} has {found}: back it up with the release that it is of")
    reflected = sa.MetaData()
    reflected.reflect(connection)
    if "store" not in reflected.tables:
        raise DatabaseUnusable(f"the database {name} has schema {revision}: start this release on it first")
    left_out = {"alembic_version", *(table.name for table in LEFT_OUT)}
    return {table.name: table for table in reflected.sorted_tables if table.name not in left_out}


def _spooled(connection: Connection, table: sa.Table, folder: Path, backup: Backup) -> Path:
    """Write the rows of a table into a file, since a tar file has the size of each file before it."""
    path, count = folder / table.name, 0
    with path.open("w") as lines:
        for row in connection.execution_options(yield_per=_ROWS).execute(sa.select(table)).mappings():
            lines.write(f"{json.dumps(dict(row))}\n")
            count += 1
    backup.counts[table.name] = count
    return path


def _opened(
    connection: Connection, table: sa.Table, root: Path, closing: ExitStack
) -> Iterator[tuple[str, BufferedReader]]:
    """Yield the names of the checkpoints that the jobs know, each with its file, unless it was replaced just now."""
    if "checkpoints" not in table.c:
        return
    for kept in connection.scalars(sa.select(table.c.checkpoints)):
        for each in kept or ():
            name = checked_name(each["name"])
            with suppress(FileNotFoundError):
                yield name, closing.enter_context(open_stored(root / "checkpoints" / f"{name}.npz"))


def _add_model(tar: tarfile.TarFile, backup: Backup, root: Path, sha256: str) -> None:
    name = f"artifacts/models/{sha256}"
    try:
        with open_stored(root / "models" / f"{sha256}.npz") as file:
            whole = _add(tar, backup, f"{name}.npz", file) == sha256
    except OSError:
        whole = False
    if not whole:
        backup.lost.append(f"{name}.npz")
    with suppress(FileNotFoundError), open_stored(root / "models" / f"{sha256}.probes.json") as file:
        _add(tar, backup, f"{name}.probes.json", file)  # versions of older releases have none


def _add_dataset(tar: tarfile.TarFile, backup: Backup, root: Path, row: Mapping[str, Any]) -> None:
    folder = root / "datasets" / row["sha256"]
    if not is_whole(folder, row):
        backup.lost.append(f"artifacts/datasets/{row['sha256']}")
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with suppress(FileNotFoundError), open_stored(path) as file:
            _add(tar, backup, f"artifacts/datasets/{row['sha256']}/{path.name}", file)


def _add(tar: tarfile.TarFile, backup: Backup, name: str, file: Any) -> str:
    """Add a file to the tar file, and return its SHA-256."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = file.seek(0, io.SEEK_END), 0o600, int(time.time())
    file.seek(0)
    hashing = _Hashing(file)
    tar.addfile(info, hashing)
    backup.hashes[name] = hashing.hash.hexdigest()
    backup.size += info.size
    return backup.hashes[name]


class _Hashing:
    """A file that is read once, and hashed meanwhile."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self.hash.update(data)
        return data
