"""Where files grow until they are whole, each named after the process that writes it, whose lock shows that it lives.

    incoming/<process>-<id>    an upload, or the draft of a model file
    processes/<process>        a file that the process holds locked as long as it lives

What a process leaves behind, however it ended, is removed by the next one that looks.
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
_OLD_SECONDS = 86_400  # of what names no process that is known: earlier releases knew no locks


class Incoming:
    """New files in `root`; the locks of the processes are beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._processes = root.parent / "processes"
        self._mine: Path | None = None
        self._descriptor = -1
        self._guard = threading.Lock()

    def new_path(self, ending: str = "") -> Path:
        """Return a path in `root` that nobody else has."""
        return self.root / f"{self._process().name}-{uuid.uuid4().hex}{ending}"

    def remove_leftovers(self) -> None:
        """Remove what processes that have ended left behind."""
        make_private_folder(self._processes)
        with locked(self._processes / _COMMON_LOCK):  # nobody begins meanwhile
            locks = [path for path in self._processes.iterdir() if path.name != _COMMON_LOCK]
            dead = {path.name: path for path in locks if not _lives(path)}
            known = {path.name for path in locks}
            found = list(self.root.iterdir())
        for path in found:  # without the lock: it may take long, and a dead process makes no more
            process = path.name.partition("-")[0]
            with suppress(FileNotFoundError):  # its own process, or another that sweeps, was quicker
                if process in dead or (process not in known and _touched(path) < time.time() - _OLD_SECONDS):
                    remove(path)
                    log.info("leftover_removed", name=path.name)
        for path in dead.values():
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """End the lock; what is not whole may be removed from now on."""
        with self._guard:
            if self._mine is not None:
                self._mine.unlink(missing_ok=True)
                os.close(self._descriptor)
            self._mine = None

    def _process(self) -> Path:
        """Return this process's lock, held from its first use on."""
        with self._guard:
            if self._mine is None:
                make_private_folder(self._processes)
                mine = self._processes / uuid.uuid4().hex
                with locked(self._processes / _COMMON_LOCK):  # nobody takes it for dead before it is locked
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
    """When the file, or the newest file in the folder, was last written to."""
    times: list[float] = [entry.lstat().st_mtime for entry in (path, *(path.iterdir() if path.is_dir() else ()))]
    return max(times)
