"""Atomic writing of files."""

import errno
import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 2**20


def write(path: Path, fill: Callable[[BinaryIO], object]) -> str:
    """Have `fill` write a new file, replace `path` by it once it is on disk, and return its SHA-256.

    A crash leaves the old file or the new one, an error the old one. Raises OSError, which names `path` or its folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "The folder does not exist", str(path.parent))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb+") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            digest = sha256(file)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is not None:  # the temporary name would puzzle
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
