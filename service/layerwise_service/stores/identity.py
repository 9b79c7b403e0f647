"""The database and the folder of the artefacts belong together: they have the same id, or nothing starts.

The id is in the table `store` and in the file `store-id` of the folder. It is written to the database first, and only
when both certainly belong together: both are new, or the folder has artefacts that the database knows. A few missing
files concern only the versions that need them. A folder that is missing, or has none of the files that the database
knows, is probably on a disk that is not mounted.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import uuid
from pathlib import Path

import sqlalchemy as sa

from layerwise.checks import counted
from layerwise_service.errors import DatabaseUnusable, StorageUnavailable
from layerwise_service.stores.database import Database
from layerwise_service.stores.files import locked, make_private_folder, storage_errors, sync_folder, tighten
from layerwise_service.stores.migrations import migrate
from layerwise_service.stores.schema import datasets, store, versions
from layerwise_service.stores.sqlite import DatabaseFile, sqlite_path

FOLDERS = ("datasets", "models", "checkpoints", "incoming", "uploads")
_KEPT = ("datasets", "models")  # files in the other folders are temporary
_ID_FILE = "store-id"
_LOST_FILE = ".files-lost"  # marks a folder that was adopted without any of the files that the database knows
_ID = re.compile(r"[0-9a-f]{32}")
_ARTIFACT = re.compile(r"[0-9a-f]{64}(\.npz)?")


class Identity:
    """The id of an open store, and the folder that must have it."""

    def __init__(self, root: Path, store_id: str) -> None:
        self._root = root
        self._id = store_id
        self._inodes = {name: (root / name).stat().st_ino for name in _KEPT}

    def check(self) -> None:
        """Raise `StorageUnavailable` unless the folder is complete and still belongs to this database."""
        for name in FOLDERS:
            self._check_folder(name)
        try:
            found = (self._root / _ID_FILE).read_text("ascii", "replace").strip()
        except OSError as error:
            detail = f"the folder of the artefacts has lost its file {_ID_FILE}: {error.strerror}"
            raise StorageUnavailable(detail) from error
        if found != self._id:
            detail = "the folder of the artefacts was replaced while the service was running: restart the service"
            raise StorageUnavailable(detail)

    def check_models(self) -> None:
        """Raise `StorageUnavailable` unless the folder of the models exists and still belongs to this database."""
        self._check_folder("models")

    def _check_folder(self, name: str) -> None:
        folder = self._root / name
        with storage_errors():
            try:
                found = folder.stat()
            except (FileNotFoundError, NotADirectoryError):
                found = None
            if found is None or not stat.S_ISDIR(found.st_mode):
                detail = f"the folder {name} of the artefacts is missing: put it back, or restore it from a backup"
                raise StorageUnavailable(detail)
            if name not in _KEPT or found.st_ino == self._inodes[name]:
                return
            if not _holds_artifacts(folder):  # the mount point of a disk, or a folder made by hand
                raise StorageUnavailable(
                    f"the folder {name} of the artefacts was replaced by an empty one: is its disk mounted? If so, "
                    "restore it from a backup, and restart the service"
                )
            self._inodes[name] = found.st_ino  # restored


def open_together(url: sa.URL, root: Path, *, adopt: bool = False) -> tuple[Database, Identity]:
    """Open the database, created or migrated if necessary, with the folder `root` of its artefacts.

    With `adopt`, both get the same id. Otherwise raises `DatabaseUnusable` if they do not belong together, and changes
    neither.
    """
    make_private_folder(root)
    with locked(root / ".opening"):
        folder_id = _folder_id(root)
        new_or_known = adopt or (folder_id is None and not has_artifacts(root))
        if url.get_backend_name() == "sqlite" and not new_or_known:
            _check_file(DatabaseFile(sqlite_path(url)), root)
        database = Database(url, create=True)
        try:
            database_id = _database_id(database)
            if not adopt:
                _check(database, database_id, root, folder_id)
            lost = _lost(database, root)
            if lost and not adopt:
                raise DatabaseUnusable(_files_lost(database, root, lost))
            migrate(database)
            _make_folders(root)
            for name in lost:
                (root / name / _LOST_FILE).touch(0o600)
            store_id = database_id or (None if adopt else folder_id) or uuid.uuid4().hex
            if database_id is None:
                with database.write() as connection:
                    connection.execute(sa.insert(store).values(id=store_id))
            if folder_id != store_id:
                _write_folder_id(root, store_id)
                _tighten_all(root)  # once, since earlier releases left files accessible to other users
        except BaseException:
            database.close()
            raise
    return database, Identity(root, store_id)


def _check_file(file: DatabaseFile, root: Path) -> None:
    """Refuse a missing or empty database file before SQLite makes a new database of it."""
    if not file.holds_nothing:
        return
    state = "is empty (0 bytes)" if file.path.exists() else "is missing"
    raise DatabaseUnusable(
        f"the database {file.path} {state}, but {root} has files that belong to a database: restore {file.path.name} "
        f"from a backup, or set database_url to where it is now. {_adopting(root, 'an empty database')}"
    )


def _check(database: Database, database_id: str | None, root: Path, folder_id: str | None) -> None:
    """Raise `DatabaseUnusable` unless both have the same id, or their contents show that they belong together."""
    if database_id is not None and folder_id is not None:
        if database_id != folder_id:
            raise DatabaseUnusable(
                f"the database {database.name} belongs to another folder of artefacts than {root} (their ids are "
                f"{database_id[:8]}… and {folder_id[:8]}…): set home or database_url so that they match, or restore "
                f"both from the same backup. {_adopting(root, 'this database')}"
            )
        for name in _KEPT:
            if not (root / name).is_dir():
                raise DatabaseUnusable(
                    f"the folder {root / name} is missing: is its disk mounted? If so, restore the folder from a "
                    f"backup. {_adopting(root, 'this database')}"
                )
        return
    if not any(_known(database).values()) and (folder_id is not None or has_artifacts(root)):
        raise DatabaseUnusable(
            f"the database {database.name} is new, but {root} holds files of another database: set database_url to "
            f"that one, or restore it from a backup. {_adopting(root, 'this database')}"
        )


def _adopting(root: Path, what: str) -> str:
    command = f"layerwise adopt --home {shlex.quote(str(root.parent))}"
    return f"To use {what} with this folder on purpose, run: {command}. No data was changed."


def _lost(database: Database, root: Path) -> dict[str, int]:
    """Return the folders without any of the files that the database knows, with the number of those files.

    Folders that were adopted in this state are left out.
    """
    return {
        name: len(files)
        for name, files in _known(database).items()
        if files
        and not any((root / name / file).exists() for file in files)
        and not (root / name / _LOST_FILE).exists()
    }


def _files_lost(database: Database, root: Path, lost: dict[str, int]) -> str:
    files = " and ".join(counted(count, name.removesuffix("s")) for name, count in lost.items())
    place = root if len(lost) > 1 else root / next(iter(lost))
    return (
        f"the database {database.name} knows {files}, and none of their files is in {place}: is its disk mounted? "
        f"If so, restore the folder from a backup. {_adopting(root, 'this database')}"
    )


def _known(database: Database) -> dict[str, list[str]]:
    """Return the files that the database refers to, by folder, whatever the version of its schema."""
    with database.read() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        if not {datasets.name, versions.name} <= tables:
            return {}
        return {
            "datasets": list(connection.scalars(sa.select(datasets.c.sha256))),
            "models": [f"{sha256}.npz" for sha256 in connection.scalars(sa.select(versions.c.sha256))],
        }


def has_artifacts(root: Path) -> bool:
    """Return whether there are any datasets or models."""
    return any(_holds_artifacts(folder) for name in _KEPT if (folder := root / name).is_dir())


def _holds_artifacts(folder: Path) -> bool:
    return any(_ARTIFACT.fullmatch(path.name) for path in folder.iterdir())


def _database_id(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table(store.name):
            return None
        found: str | None = connection.scalar(sa.select(store.c.id))
        return found


def _folder_id(root: Path) -> str | None:
    path = root / _ID_FILE
    try:
        text = path.read_text("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    if not _ID.fullmatch(text):
        raise DatabaseUnusable(f"{path} is damaged: expected 32 hexadecimal digits. Restore it, or delete it")
    return text


def _write_folder_id(root: Path, store_id: str) -> None:
    draft = root / f".{_ID_FILE}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{store_id}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(root / _ID_FILE)
    sync_folder(root)


def bind_folder(root: Path, store_id: str) -> None:
    """Make the folders of the artefacts, with the id of a database."""
    with storage_errors():
        _make_folders(root)
        _write_folder_id(root, store_id)


def _tighten_all(root: Path) -> None:
    """Remove other users' permissions on our files and folders below `root`."""
    for path in (root / ".opening", root / "processes", *(root / "processes").glob("*")):
        tighten(path)
    for folder in (root / name for name in _KEPT):
        for path in folder.iterdir():
            if _ARTIFACT.fullmatch(path.name):
                for each in (path, *path.rglob("*")):
                    tighten(each)


def _make_folders(root: Path) -> None:
    for folder in (root, *(root / name for name in FOLDERS)):
        make_private_folder(folder)
        tighten(folder)
    sync_folder(root)
    sync_folder(root.parent)
