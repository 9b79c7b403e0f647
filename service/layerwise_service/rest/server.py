"""The REST server: granian's processes around the application."""

from __future__ import annotations

import http.client
import multiprocessing
import os
import resource
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops, TaskImpl
from granian.http import HTTP1Settings

from layerwise_service.errors import DatabaseUnusable, ServiceError
from layerwise_service.process.gathering import Reporter
from layerwise_service.process.lifecycle import end_with_parent
from layerwise_service.process.logs import configure_logs
from layerwise_service.process.loops import Loop
from layerwise_service.process.memory import start_returning_memory
from layerwise_service.process.ports import reserve
from layerwise_service.rest.app import gateway_of
from layerwise_service.rest.many_numbers import forget_parser
from layerwise_service.rest.piped import remove_old_pipes
from layerwise_service.rest.rsgi import THREADS, Rsgi
from layerwise_service.settings import Settings

log = structlog.get_logger()

_CONNECTIONS = 4_096  # of each process: an idle one takes a file descriptor, but no thread
_OTHER_FILES = 256  # descriptors that a process needs besides
_BODIES_AT_ONCE = 8  # of the largest size, of each process
_HEADER_MILLISECONDS = 10_000
_READY_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 1.0
_WATCH_SECONDS = 0.25


def serve_rest(
    settings: Settings,
    build: Callable[[Settings, Reporter], Flask],
    *,
    counts: socket.socket,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    `build` makes the application in each process, which reports its counts to `counts`; `ready` is called with the
    address. Raises `AddressInUse`.
    """
    host, port, reservation = reserve(settings.rest_address, "--rest")
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    multiprocessing.set_start_method("fork", force=True)  # what is loaded here is shared with granian's processes
    server = Granian(
        "layerwise",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        loop=Loops.uvloop,
        task_impl=TaskImpl.asyncio,  # a task, and so a context, for each request: its record is kept there
        workers=settings.rest_processes,
        backpressure=_connections(),
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MILLISECONDS),
        websockets=False,
        log_enabled=False,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=max(1, round(settings.stop_seconds)),
    )
    announcing, watching = _announcer(host, port, shown, ready), _watcher(server)
    announcing.start()
    watching.start()
    try:
        load: Any = partial(_load, settings, build, os.getpid(), counts)  # granian's type is that of a function
        server.serve(target_loader=load, wrap_loader=False)
    finally:
        announcing.stop()
        watching.stop()
        reservation.close()
    log.info("rest_stopped")


def _connections() -> int:
    """Return how many connections a process may hold, after raising its limit of open files if necessary.

    Each may be a download, which takes a second file. Large answers take two, but few have room at the same time.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = 2 * _CONNECTIONS + _OTHER_FILES
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _CONNECTIONS if soft == unlimited else max(THREADS, min(_CONNECTIONS, (soft - _OTHER_FILES) // 2))


def _load(settings: Settings, build: Callable[[Settings, Reporter], Flask], parent: int, counts: socket.socket) -> Rsgi:
    """Return the application, in one of granian's processes."""
    configure_logs(settings.log, process="rest")
    end_with_parent(parent)
    start_returning_memory(forget_parser)
    remove_old_pipes()
    reporter = Reporter(counts)
    reporter.start()
    logged = ""
    while True:  # if this ended, granian would end the processes that answer
        try:
            gateway = gateway_of(build(settings, reporter))
            large_bytes = _BODIES_AT_ONCE * settings.max_body_bytes
            return Rsgi(gateway, idle_seconds=settings.upload_idle_seconds, large_bytes=large_bytes)
        except (DatabaseUnusable, ServiceError, OSError) as error:
            if str(error) != logged:
                logged = str(error)
                log.error("rest_not_started", error=logged, again_in_seconds=_AGAIN_SECONDS)
        time.sleep(_AGAIN_SECONDS)


def _announcer(host: str, port: int, shown: str, ready: Callable[[str], None]) -> Loop:
    """Return a loop that calls `ready` once a process answers."""
    began = time.monotonic()
    logged = False

    def look() -> None:
        nonlocal logged
        if _answers(host, port):
            log.info("rest_listens", address=shown)
            ready(shown)
            announcing.stop()
        elif time.monotonic() - began > _READY_SECONDS and not logged:
            logged = True
            log.error("rest_not_ready", address=shown, seconds=_READY_SECONDS)

    announcing = Loop("announce", look, every=_LOOK_SECONDS)
    return announcing


def _watcher(server: Any) -> Loop:
    """Return a loop that logs which of granian's processes have ended by themselves; granian replaces them."""
    known: set[int] = set()

    def look() -> None:
        nonlocal known
        now = {worker.inner.pid for worker in [*server.wrks] if worker.inner.pid}
        if len(now) < len(known):
            return  # a process is about to be forked, and must not inherit a lock of the log
        if not server.interrupt_signal:
            for pid in known - now:
                log.error("process_ended", name="rest", pid=pid)
        known = now

    return Loop("watch", look, every=_WATCH_SECONDS)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/livez", headers={"Host": "localhost"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
