"""The service's own files: private, durable, and with errors that say what is wrong with the disk."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

import structlog

from layerwise_service.errors import NoSpace, ServiceError, StorageUnavailable, Unavailable

log = structlog.get_logger()

DATABASE_ENDINGS = ("", "-wal", "-shm", "-journal", ".opening", ".migrating")  # of the database and what is beside it
_OURS = {"artifacts", "run", "lost+found", *(f"layerwise.db{ending}" for ending in DATABASE_ENDINGS)}
_PROBE_BYTES = 65_536  # more than what a full disk still holds in the last block of another file


@contextmanager
def storage_errors() -> Generator[None]:
    """Turn what the system says of files into an error that callers can act on."""
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error


def storage_error(error: OSError) -> ServiceError:
    """Return what a caller is told for an error of the system; the log says which file it was."""
    log.warning("storage_error", path=str(error.filename or ""), error=error.strerror or str(error))
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return NoSpace("the disk of the service is full; nothing was changed")
        case errno.EROFS:
            return StorageUnavailable("the disk of the service is read-only")
        case errno.EACCES | errno.EPERM:
            return StorageUnavailable("the service may not use its own files: permission denied")
        case errno.EMFILE | errno.ENFILE:
            detail = "the service has too many files and connections open; try again"
            return Unavailable(detail, reason="TOO_MANY_OPEN_FILES", retry_after=1)
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return StorageUnavailable("a folder of the service's files is missing")
        case _:
            return StorageUnavailable(f"the disk of the service reports an error: {error.strerror or error}")


def open_stored(path: Path) -> BufferedReader:
    """Open a stored file to read. A link, a folder or a device in its place is an OSError and is never followed."""
    # O_NONBLOCK: a named pipe would wait for its writer
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))
    return os.fdopen(descriptor, "rb")


def is_in_the_way(error: OSError) -> bool:
    """Whether `open_stored` found something at the path that is no file."""
    return error.errno in (errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENXIO)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path, *, skip: int = 0) -> str:
    """Return the SHA-256 of the file's bytes from `skip` on."""
    with open_stored(path) as file:
        file.seek(skip)
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(folder: Path) -> None:
    """Raise OSError unless files can be written in `folder` now."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as probe:
        left = _PROBE_BYTES
        while left:
            left -= probe.write(bytes(left))


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Generator[None]:
    """Hold the lock file `path`, made if it is missing; raises BlockingIOError if another holds it and not `wait`.

    The lock ends with the process, however that ends.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> None:
    """Make the folder, open to this user alone, unless it exists."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def tighten(path: Path) -> None:
    """Shut a file or folder to other users, if it is ours to shut."""
    with suppress(FileNotFoundError, PermissionError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return
        if found.st_mode & 0o077:
            path.chmod(0o700 if stat.S_ISDIR(found.st_mode) else 0o600)


def tighten_home(home: Path) -> None:
    """Make the folder of all that the service stores, and shut it to other users if nothing else is in it."""
    make_private_folder(home)
    if all(path.name in _OURS for path in home.iterdir()):
        tighten(home)
