"""Files that callers send, as far as they have arrived: an upload that was broken off goes on where it was.

    uploads/<SHA-256 of the upload's id>    of an upload that may go on
    uploads/once-<random>                   of an upload without an id, which nobody could continue

Whoever writes a file holds its lock, which ends with the process. A file that nobody writes is removed after a grace,
one that cannot go on at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

import structlog

from layerwise_service.errors import Unavailable
from layerwise_service.stores.files import make_private_folder, sha256_of, storage_errors, sync_folder

log = structlog.get_logger()

_ONCE = "once-"


class PartialUpload:
    """The file at `path` and the lock on it. `offset` is the number of bytes that have arrived."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.offset = os.fstat(descriptor).st_size

    @property
    def goes_on(self) -> bool:
        """Whether another stream can continue it."""
        return not self.path.name.startswith(_ONCE)

    def sha256(self) -> str:
        """Return the SHA-256 of what has arrived. It is not computed on the way, since that would slow the sender."""
        return sha256_of(self.path)

    def add(self, data: bytes) -> None:
        """Append `data`, all of it or nothing."""
        with storage_errors():
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(self._descriptor, memoryview(data)[written:], self.offset + written)
            except OSError:
                os.ftruncate(self._descriptor, self.offset)
                raise
        self.offset += len(data)

    def remove(self) -> None:
        """Remove the file, and release the lock."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the lock; the file stays if it can go on."""
        if self._descriptor >= 0:
            if not self.goes_on:
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


class Uploads:
    """The files in the folder `root`, which is created if it is missing."""

    def __init__(self, root: Path, *, grace_seconds: float) -> None:
        self._root = root
        self._grace_seconds = grace_seconds
        with storage_errors():
            make_private_folder(root)

    def open(self, upload: str) -> PartialUpload:
        """Return the upload with this id, or a new one; one of its own for "".

        Raises `Unavailable` while another stream writes it.
        """
        path = self._path(upload) if upload else self._root / f"{_ONCE}{uuid.uuid4().hex}"
        with storage_errors():
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                try:
                    if _lock(descriptor, path):
                        return PartialUpload(path, descriptor)
                except BlockingIOError as error:
                    os.close(descriptor)
                    detail = f"another stream is sending the upload {upload[:64]!r}, or it is being read; try again"
                    raise Unavailable(detail, reason="UPLOAD_BUSY", retry_after=1) from error
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)

    def offset(self, upload: str) -> int:
        """Return how many bytes of the upload are on the disk; 0 if there is none."""
        with storage_errors():
            try:
                descriptor = os.open(self._path(upload), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return 0
            try:
                os.fsync(descriptor)
                sync_folder(self._root)
                return os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)

    def sweep(self) -> None:
        """Remove the files that nobody writes, and that cannot go on or have not changed for the grace."""
        with storage_errors():
            for path in list(self._root.iterdir()):
                with suppress(FileNotFoundError, BlockingIOError):
                    self._sweep(path)

    def _sweep(self, path: Path) -> None:
        once = path.name.startswith(_ONCE)
        if not once and path.lstat().st_mtime > time.time() - self._grace_seconds:
            return
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _lock(descriptor, path):
                path.unlink()
                log.info("upload_removed", name=path.name)
        finally:
            os.close(descriptor)

    def _path(self, upload: str) -> Path:
        return self._root / hashlib.sha256(upload.encode()).hexdigest()


def _lock(descriptor: int, path: Path) -> bool:
    """Lock an open file, and return whether it is still the one at `path`. Raises BlockingIOError if it is locked."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
