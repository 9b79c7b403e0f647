"""Disks that are small, full or read-only. Only root may mount them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(mount: Path, *, megabytes: int = 24) -> Iterator[Path]:
    """A disk in memory at `mount`, which is made."""
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(mount)], check=True)
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(file: Path, *, leave: int) -> None:
    """Takes all the space of the disk but `leave` bytes."""
    free = os.statvfs(file.parent)
    file.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - leave)))


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Files that are open for writing would keep the disk from it: it is covered by a read-only view of itself."""
    subprocess.run(["mount", "--bind", str(disk), str(disk)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
