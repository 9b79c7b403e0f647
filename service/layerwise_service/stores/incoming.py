"""Unfinished files, each named after the process that writes it, whose lock shows that it is running.

    incoming/<process>-<id>    an upload, or the draft of a model file
    processes/<process>        a file that the process holds locked while it runs

Files of processes that have ended, however they ended, are removed by the next sweep.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import structlog

from layerwise_service.stores.files import locked, make_private_folder

log = structlog.get_logger()

_COMMON_LOCK = ".lock"
_OLD_SECONDS = 86_400  # for files that name no known process: earlier releases had no locks


class Incoming:
    """Unfinished files in `root`; the folder of the processes' locks is next to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._processes = root.parent / "processes"
        self._mine: Path | None = None
        self._descriptor = -1
        self._guard = threading.Lock()

    def new_path(self, ending: str = "") -> Path:
        """Return a new unique path in `root`."""
        return self.root / f"{self._process().name}-{uuid.uuid4().hex}{ending}"

    def remove_leftovers(self) -> None:
        """Remove the files of processes that have ended."""
        make_private_folder(self._processes)
        with locked(self._processes / _COMMON_LOCK):  # no process starts meanwhile
            locks = [path for path in self._processes.iterdir() if path.name != _COMMON_LOCK]
            dead = {path.name: path for path in locks if not _lives(path)}
            known = {path.name for path in locks}
            found = list(self.root.iterdir())
        for path in found:  # without the lock: this may take long, and an ended process writes nothing more
            process = path.name.partition("-")[0]
            with suppress(FileNotFoundError):  # its own process or another sweep was quicker
                if process in dead or (process not in known and _touched(path) < time.time() - _OLD_SECONDS):
                    remove(path)
                    log.info("leftover_removed", name=path.name)
        for path in dead.values():
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock: this process's unfinished files may be removed from now on."""
        with self._guard:
            if self._mine is not None:
                self._mine.unlink(missing_ok=True)
                os.close(self._descriptor)
            self._mine = None

    def _process(self) -> Path:
        """Return the path of this process's lock, which is held from the first use on."""
        with self._guard:
            if self._mine is None:
                make_private_folder(self._processes)
                mine = self._processes / uuid.uuid4().hex
                with locked(self._processes / _COMMON_LOCK):  # no sweep may find the file before it is locked
                    self._descriptor = os.open(mine, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                self._mine = mine
            return self._mine


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _lives(lock: Path) -> bool:
    try:
        with locked(lock, wait=False):
            return False
    except BlockingIOError:
        return True


def _touched(path: Path) -> float:
    """Return when the file, or the newest file in the folder, was last written."""
    times: list[float] = [entry.lstat().st_mtime for entry in (path, *(path.iterdir() if path.is_dir() else ()))]
    return max(times)
