"""Files that survive a power cut: written under another name, synced, then renamed into their place."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from layerwise_service.errors import NoSpace

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def told_when_full() -> Generator[None]:
    """Turns a full disk into an error that callers are told."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpace("the disk of the service is full; nothing was changed") from error
        raise


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path, *, skip: int = 0) -> str:
    """SHA-256 of the file's bytes from `skip` on."""
    with path.open("rb") as file:
        file.seek(skip)
        return hashlib.file_digest(file, "sha256").hexdigest()
