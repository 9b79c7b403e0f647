"""Writing a file wholly or not at all."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 2**20


def write(path: Path, fill: Callable[[BinaryIO], object]) -> str:
    """Has `fill` write a new file that takes the place of `path` once it is on the disk; gives its SHA-256.

    A crash at any instant leaves the old file or the new one. After an error the old one stands, and nothing else.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb+") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
            digest = sha256(file)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name is on the disk only when its folder is
    finally:
        os.close(folder)
    return digest


def sha256(file: BinaryIO) -> str:
    """The SHA-256 of the whole of `file` in hexadecimal."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(READ_BYTES):
        digest.update(block)
    return digest.hexdigest()
