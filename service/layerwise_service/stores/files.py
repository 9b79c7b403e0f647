"""The service's own files: private, durable, and with their OS errors as `ServiceError`."""

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

from layerwise_service.errors import DataLoss, NoSpace, ServiceError, StorageUnavailable, Unavailable

DATABASE_ENDINGS = ("", "-wal", "-shm", "-journal", ".opening", ".migrating")  # of the database and what is beside it
_OURS = {"artifacts", "run", "lost+found", *(f"layerwise.db{ending}" for ending in DATABASE_ENDINGS)}
_PROBE_BYTES = 65_536  # more than fits into partly used blocks of a full disk


@contextmanager
def storage_errors() -> Generator[None]:
    """Turn an OSError about files into a `ServiceError`."""
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error


@contextmanager
def reading_stored(what: str, sha256: str, reason: str) -> Generator[None]:
    """Turn an OSError into `DataLoss` if the stored file is lost, else into an error that it cannot be read now."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataLoss(f"{what} {sha256} is missing", reason=f"{reason}_MISSING") from error
    except OSError as error:
        if is_in_the_way(error):
            detail = f"{what} {sha256} is damaged: expected a file, found a folder, a link or a device"
            raise DataLoss(detail, reason=f"{reason}_DAMAGED") from error
        raise storage_error(error) from error


def storage_error(error: OSError) -> ServiceError:
    """Return the `ServiceError` for an OSError, and log which file it was."""
    import structlog  # noqa: PLC0415 - the process that reads a file needs it for nothing else, and loads it slowly

    log = structlog.get_logger()
    log.warning("storage_error", path=str(error.filename or ""), error=error.strerror or str(error))
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return NoSpace("the disk of the service is full; nothing was changed")
        case errno.EROFS:
            return StorageUnavailable("the disk of the service is read-only")
        case errno.EACCES | errno.EPERM:
            return StorageUnavailable("the service has no permission to use its own files")
        case errno.EMFILE | errno.ENFILE:
            detail = "the service has too many files and connections open; try again"
            return Unavailable(detail, reason="TOO_MANY_OPEN_FILES", retry_after=1)
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return StorageUnavailable("a folder or file of the service is missing")
        case _:
            return StorageUnavailable(f"the disk of the service reports an error: {error.strerror or error}")


def open_stored(path: Path) -> BufferedReader:
    """Open a stored file for reading. Raises OSError if there is a link, a folder or a device in its place."""
    # O_NONBLOCK: opening a named pipe would wait for a writer
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a file", str(path))

    def opened(path: str, flags: int) -> int:
        return descriptor

    return open(path, "rb", opener=opened)


def is_in_the_way(error: OSError) -> bool:
    """Return whether `open_stored` found something else than a file at the path."""
    return error.errno in (errno.ELOOP, errno.EINVAL, errno.EISDIR, errno.ENXIO)


def sync_folder(folder: Path) -> None:
    """Write the entries of `folder` to the disk, so that new names survive a power cut."""
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
    """Hold the lock on the file `path`, which is created if it is missing.

    Without `wait`, raises BlockingIOError if another process holds it. The lock ends with the process, however it ends.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> None:
    """Create the folder, accessible to this user alone, unless it exists."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def tighten(path: Path) -> None:
    """Remove other users' permissions on a file or folder, if this user owns it."""
    with suppress(FileNotFoundError, PermissionError):
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return
        if found.st_mode & 0o077:
            path.chmod(0o700 if stat.S_ISDIR(found.st_mode) else 0o600)


def tighten_home(home: Path) -> None:
    """Create the home; remove other users' permissions on it if only the service's files are in it."""
    try:
        make_private_folder(home)
    except (FileExistsError, NotADirectoryError) as error:
        wanted = "expected a folder, but this is a file, or within one; choose another with --home FOLDER"
        raise NotADirectoryError(error.errno, wanted, str(home)) from error
    if all(path.name in _OURS for path in home.iterdir()):
        tighten(home)
