"""Atomic writing of files."""

import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 2**20


def write(path: Path, fill: Callable[[BinaryIO], object]) -> str:
    """Have `fill` write a new file, replace `path` by it once it is on disk, and return its SHA-256.

    A crash leaves the old file or the new one, an error the old one. A link goes on pointing at its file, a file keeps
    its permissions. A device or a pipe is not replaced: it gets the content when all of it is there.
    Raises OSError, which names `path` or its folder.
    """
    mode = _mode(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "Expected a file, this is a folder", str(path))
    if mode is not None and not stat.S_ISREG(mode):
        return _write_through(path, fill)
    path = path.resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "The folder does not exist", str(path.parent))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb+") as file:
            fill(file)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode & 0o777)
            os.fsync(file.fileno())
            digest = sha256(file)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:  # it has the temporary name, or none
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename is durable only when the folder is
    finally:
        os.close(folder)
    return digest


def sha256(file: BinaryIO) -> str:
    """Return the SHA-256 of the whole `file`, in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _mode(path: Path) -> int | None:
    """Return the kind and the permissions of what `path` leads to, or None if nothing is there."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_through(path: Path, fill: Callable[[BinaryIO], object]) -> str:
    """Write what `fill` gives to a device or a pipe, and return its SHA-256."""
    with tempfile.TemporaryFile() as file:  # `fill` may seek, a pipe cannot
        fill(file)
        digest = sha256(file)
        file.seek(0)
        try:
            with path.open("wb") as opened:
                shutil.copyfileobj(file, opened, READ_BYTES)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
    return digest
