"""The process that reads a file or a table: it is started, limited in time and memory, and its outcome taken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import structlog

from layerwise_service.domain.table_datasets import ReadTable
from layerwise_service.errors import ServiceError, TooLarge, Unavailable
from layerwise_service.reading.choices import ReadingChoices
from layerwise_service.reading.exchange import CHOICES, ReadingLimits, error_of, table_of
from layerwise_service.stores.files import storage_errors

log = structlog.get_logger()

_MOST_LOGGED = 4_000
_LOOK_SECONDS = 0.1


def read_in_process(
    folder: Path, limits: ReadingLimits, stopping: threading.Event, choices: ReadingChoices | None = None
) -> ReadTable:
    """Read the file or table `upload` in `folder`, whose columns become files in the folder `table` there.

    Raises `InvalidRequest` for a file that is no table, `TooLarge`, `NoSpace`, and `Unavailable`, also soon after
    `stopping` is set.
    """
    began = time.monotonic()
    options = json.dumps(asdict(limits) | {"parent": os.getpid()})
    command = [sys.executable, "-m", "layerwise_service.reading", str(folder), options]
    with storage_errors():
        (folder / CHOICES).write_text(json.dumps((choices or ReadingChoices()).to_json()), "utf-8")
    # the outcome comes through a pipe: the disk may be full
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            outcome, errors = _awaited(process, limits, stopping)
        finally:
            process.kill()
    if process.returncode < 0:
        raise _ended()
    if process.returncode:
        log.error("reader_failed", status=process.returncode, stderr=errors[-_MOST_LOGGED:].decode(errors="replace"))
        raise ServiceError("internal error: what was sent could not be read; the service's log has the traceback")
    found = json.loads(outcome)
    if "error" in found:
        raise error_of(found["error"])
    table = table_of(found)
    log.info("table_read", rows=table.rows, columns=len(table.columns), seconds=round(time.monotonic() - began, 2))
    return table


def _awaited(process: subprocess.Popen[bytes], limits: ReadingLimits, stopping: threading.Event) -> tuple[bytes, bytes]:
    """Return what the process wrote. Raises `TooLarge` beyond the limits."""
    deadline = time.monotonic() + limits.seconds
    while time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_LOOK_SECONDS)
        if stopping.is_set():
            raise _ended()
        if _memory_of(process.pid) > limits.memory_bytes:
            detail = f"reading takes more than {limits.memory_bytes} bytes of memory (reading_memory_bytes)"
            raise TooLarge(f"{detail}; send fewer columns, or shorter texts", reason="READING_TOO_LARGE")
    detail = f"reading takes more than {limits.seconds:g} s (reading_seconds)"
    raise TooLarge(f"{detail}; send fewer rows or columns", reason="READING_TOO_LONG")


def _memory_of(pid: int) -> int:
    """Return the bytes of memory that a process uses: no limit of the system's counts that, without what is reserved.

    0 if the system does not tell.
    """
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _ended() -> ServiceError:
    return Unavailable(
        "the process that was reading was ended: send the file or table again", reason="READER_KILLED", retry_after=1
    )
