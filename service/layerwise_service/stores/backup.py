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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from layerwise.checks import counted
from layerwise_service.stores.database import Database
from layerwise_service.stores.files import open_stored, storage_errors
from layerwise_service.stores.migrations import HEAD
from layerwise_service.stores.schema import datasets, jobs, metadata, pending_artifacts, store, versions, workers

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
    """Write a backup into `file`, while the service may run; `root` is the folder of the artefacts.

    `on_file` is called with the name of each file. The database is read in one transaction. Files never change, and are
    removed a day after their last use: all that were known at that moment are there, but checkpoints, which newer ones
    may have replaced. Raises `ServiceError`.
    """
    backup = Backup()
    with (
        tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        tempfile.TemporaryDirectory() as spool,
    ):
        with database.read() as connection:
            about = {
                "format": FORMAT,
                "release": version("layerwise"),
                "schema": HEAD,
                "store": connection.scalar(sa.select(store.c.id)),
                "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            tables = {table.name: _spooled(connection, table, Path(spool), backup) for table in _tables()}
            wanted = list(_files(connection))
        _add(tar, backup, ABOUT, io.BytesIO(json.dumps(about, indent=1).encode()))
        for name, path in tables.items():
            with path.open("rb") as rows:
                _add(tar, backup, f"database/{name}.jsonl", rows)
        for name, sha256 in wanted:
            on_file(name)
            _add_artifact(tar, backup, root, name, sha256)
        hashes = {"hashes": dict(backup.hashes), "lost": backup.lost}
        _add(tar, backup, HASHES, io.BytesIO(json.dumps(hashes, indent=1).encode()))
    return backup


def _tables() -> list[sa.Table]:
    return [table for table in metadata.sorted_tables if table not in LEFT_OUT]


def _spooled(connection: Connection, table: sa.Table, folder: Path, backup: Backup) -> Path:
    """Write the rows of a table into a file, since a tar file has the size of each file before it."""
    path, count = folder / table.name, 0
    with path.open("w") as lines:
        for row in connection.execution_options(yield_per=_ROWS).execute(sa.select(table)).mappings():
            lines.write(f"{json.dumps(dict(row))}\n")
            count += 1
    backup.counts[table.name] = count
    return path


def _files(connection: Connection) -> Iterator[tuple[str, str | None]]:
    """Yield the names of the files that the database knows, each with its SHA-256, or None if the name has none."""
    for sha256 in connection.scalars(sa.select(versions.c.sha256).distinct().order_by(versions.c.sha256)):
        yield f"artifacts/models/{sha256}.npz", sha256
        yield f"artifacts/models/{sha256}.probes.json", None
    for sha256 in connection.scalars(sa.select(datasets.c.sha256).order_by(datasets.c.sha256)):
        yield f"artifacts/datasets/{sha256}", None
    for kept in connection.scalars(sa.select(jobs.c.checkpoints).where(jobs.c.checkpoints.is_not(None))):
        yield from ((f"artifacts/checkpoints/{each['name']}.npz", each["sha256"]) for each in kept)


def _add_artifact(tar: tarfile.TarFile, backup: Backup, root: Path, name: str, sha256: str | None) -> None:
    """Add a file, or all files of a folder. One that is lost is noted, and so is one that is damaged."""
    place = root.parent / name
    parts = sorted(place.iterdir()) if place.is_dir() else [place]
    for path in parts:
        shown = name if path == place else f"{name}/{path.name}"
        try:
            with storage_errors(), open_stored(path) as file:
                found = _add(tar, backup, shown, file)
        except Exception as error:
            if isinstance(error.__cause__, FileNotFoundError):
                found = ""
            else:
                raise
        if (sha256 is not None and found != sha256) or (not found and not shown.endswith(".probes.json")):
            backup.lost.append(shown)


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
