"""The supervisor of `layerwise serve`: starts the processes of a service, restarts and stops them.

The serving processes are forked from it, so that they share its memory. It therefore leaves the database to others.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import structlog

from layerwise_service.process.forking import ForkedProcess
from layerwise_service.process.gathering import SOCKET, Gatherer, Reporter
from layerwise_service.process.lifecycle import PARENT, READY, AddressInUse, reap_orphans
from layerwise_service.process.loops import Loop
from layerwise_service.process.ports import SHARE, Share, reserve
from layerwise_service.process.pulse import PULSE, Pulse
from layerwise_service.process.stopping import begin_to_stop
from layerwise_service.requeuing import Requeuing
from layerwise_service.settings import Settings, to_environment
from layerwise_service.wiring import new_worker_id

log = structlog.get_logger()

_LOOK_SECONDS = 0.1
_START_SECONDS = 60.0
_BACK_OFF = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before the first, second … restart in a row
_STEADY_SECONDS = 10.0  # a process that was ready for longer starts again with the shortest back-off
_WRITERS = ("rpc", "worker")  # frozen in a transaction, they would keep SQLite locked for all others


class StartFailed(Exception):
    """A process did not start."""


@dataclass(slots=True)
class Child:
    """One process of the service, across its restarts."""

    name: str
    arguments: list[str]
    share: Share | None = None
    process: subprocess.Popen[bytes] | ForkedProcess | None = None
    ready: int | None = None  # the pipe to which the process writes its address when it is ready
    address: str = ""
    pulse: Pulse | None = None
    worker: str = ""
    ready_at: float | None = None  # since the last start
    restarts: int = 0
    restart_at: float | None = None
    was_ready: bool = False

    def back_off(self) -> float:
        """Return the seconds until the restart: more after each run that was not ready for long."""
        now = time.monotonic()
        if self.ready_at is not None and now - self.ready_at > _STEADY_SECONDS:
            self.restarts = 0
        delay = _BACK_OFF[min(self.restarts, len(_BACK_OFF) - 1)]
        self.restarts += 1
        self.ready_at, self.restart_at = None, now + delay
        return delay


class Supervisor:
    """Runs the processes rest, rpc and worker of one service.

    `forked` has what those run that are forked; the others are interpreters of their own.
    """

    def __init__(self, settings: Settings, forked: Mapping[str, Callable[[], object]]) -> None:
        self._settings = settings
        self._forked = forked
        self._children = [
            *(Child("rpc", ["rpc"], Share(place, settings.rpc_processes)) for place in range(settings.rpc_processes)),
            *(Child("worker", ["worker"]) for _ in range(settings.workers)),
            Child("rest", ["rest"], address=settings.rest_address),
        ]
        self._stop_signals = 0
        self._requeuing = Requeuing(settings)
        self._gatherer = Gatherer()
        self._watching = Loop("watch_processes", self._watch, every=_LOOK_SECONDS)

    def run(self, *, ready: Callable[[str, str], None]) -> None:
        """Run until a stop signal; call `ready` with the addresses of REST and gRPC. Raises `StartFailed`."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, self._on_signal)
        with self._locked_home():
            self._run(ready)

    @contextmanager
    def _locked_home(self) -> Generator[None]:
        """Lock the home against a second supervisor."""
        folder = self._settings.home_path / "run"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "serve.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                detail = f"another `layerwise serve` uses {self._settings.home_path}; give this one another --home"
                raise StartFailed(detail) from error
            yield

    def _run(self, ready: Callable[[str, str], None]) -> None:
        try:
            _, port, reservation = reserve(self._settings.rpc_address, "--rpc")
        except AddressInUse as error:
            raise StartFailed(str(error)) from error
        for child in self._children:
            if child.share is not None:
                child.address = f"{self._settings.rpc_address.rpartition(':')[0]}:{port}"
        with reservation:
            self._run_children(ready)

    def _run_children(self, ready: Callable[[str, str], None]) -> None:
        self._gatherer.start()
        Reporter(self._gatherer.socket).start()
        try:
            for child in self._children:
                self._start(child)
            self._await_ready()
            if not self._stop_signals:
                ready(self._address_of("rest"), self._address_of("rpc"))
            while not self._stop_signals:
                time.sleep(self._watching.turn())
        finally:
            self._stop()
            self._requeuing.finish()  # for workers that have just died: the next start need not wait for their leases
            self._gatherer.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _address_of(self, name: str) -> str:
        return next(child.address for child in self._children if child.name == name)

    def _start(self, child: Child) -> None:
        counts = self._gatherer.socket.fileno()
        readable, writable = os.pipe()
        environment = os.environ | to_environment(self._settings)
        environment |= {READY: str(writable), PARENT: str(os.getpid()), SOCKET: str(counts)}
        if child.address:  # a restart takes the same port, even if port 0 chose it the first time
            environment[f"LAYERWISE_{child.name.upper()}_ADDRESS"] = child.address
        if child.share is not None:
            environment[SHARE] = str(child.share)
        arguments = list(child.arguments)
        if child.name == "worker":
            child.worker = new_worker_id()
            arguments += ["--id", child.worker]
        # A session of its own: Ctrl-C reaches the supervisor alone, and the child's own children can be ended with it.
        for_child = [writable]
        try:
            if child.name in _WRITERS:
                child.pulse = Pulse()
                environment[PULSE] = str(child.pulse.writable)
                for_child.append(child.pulse.writable)
            if child.name in self._forked:
                child.process = ForkedProcess(
                    self._forked[child.name], environment=environment, kept=[*for_child, counts]
                )
            else:
                child.process = subprocess.Popen(
                    [sys.executable, "-m", "layerwise_service.commands", *arguments],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    pass_fds=[*for_child, counts],
                    start_new_session=True,
                )
        except OSError:
            os.close(readable)
            _forget_pulse(child)
            raise
        finally:
            for descriptor in for_child:
                os.close(descriptor)
        os.set_blocking(readable, False)
        child.ready, child.ready_at, child.restart_at = readable, None, None

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        waiting = list(self._children)
        while waiting and not self._stop_signals:
            for child in waiting:
                self._read_ready(child)
                if not child.was_ready and _has_ended(child):
                    raise StartFailed(f"{child.name} did not start; see its message above")
            waiting = [child for child in waiting if not child.was_ready]
            if time.monotonic() > deadline:
                names = ", ".join(child.name for child in waiting)
                raise StartFailed(f"{names} did not start within {_START_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS / 2)

    def _read_ready(self, child: Child) -> None:
        if child.ready is None:
            return
        try:
            address = os.read(child.ready, 1024)
        except BlockingIOError:
            return
        os.close(child.ready)
        child.ready = None
        if address:
            child.was_ready = True
            child.ready_at = time.monotonic()
            child.address = address.decode().strip()

    def _watch(self) -> None:
        self._requeuing.turn()
        own = {child.process.pid for child in self._children if child.process is not None}
        reap_orphans(own | self._requeuing.pids)
        for child in self._children:
            self._read_ready(child)
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    self._restart(child)
            elif _has_ended(child):
                self._clean_up(child)
            elif child.pulse is not None and (silent := child.pulse.seconds_silent()) > self._settings.frozen_seconds:
                assert child.process is not None
                log.error("process_frozen", name=child.name, pid=child.process.pid, seconds_silent=round(silent, 1))
                _kill_group(child.process.pid)  # the next turn cleans up

    def _clean_up(self, child: Child) -> None:
        """Clean up after a process that ended by itself, and schedule its restart."""
        assert child.process is not None
        status = child.process.returncode
        _kill_group(child.process.pid)  # its own children
        child.process = None
        _forget_pulse(child)
        if child.worker:
            self._requeuing.add(child.worker)
        delay = child.back_off()
        log.error("process_ended", name=child.name, status=status, restart_in_seconds=delay)

    def _restart(self, child: Child) -> None:
        try:
            self._start(child)
        except OSError as error:  # no memory, or too many processes: try again later
            delay = child.back_off()
            log.error("process_not_started", name=child.name, error=error.strerror, restart_in_seconds=delay)

    def _stop(self) -> None:
        """Stop in order: rpc, which accepts jobs, and the workers; then rest, which meanwhile says it is not ready."""
        begin_to_stop()
        for names in (("rpc", "worker"), ("rest",)):
            stopping = [child for child in self._children if child.name in names and not _has_ended(child)]
            for child in stopping:
                assert child.process is not None
                child.process.terminate()
            self._await_end(stopping)
        for child in self._children:
            if child.process is not None:
                _kill_group(child.process.pid)
                child.process.wait()

    def _await_end(self, stopping: Sequence[Child]) -> None:
        deadline = time.monotonic() + self._settings.stop_seconds + 1
        while any(not _has_ended(child) for child in stopping):
            if time.monotonic() > deadline or self._stop_signals > 1:  # a second Ctrl-C: do not wait
                for child in stopping:
                    if not _has_ended(child):
                        self._kill(child)
                return
            time.sleep(_LOOK_SECONDS / 4)

    def _kill(self, child: Child) -> None:
        """Kill a process that takes too long to stop; this does not count against its job."""
        assert child.process is not None
        log.error("process_killed", name=child.name)
        _kill_group(child.process.pid)
        child.process.wait()
        if child.worker:
            self._requeuing.add(child.worker, to_blame=False)


def _forget_pulse(child: Child) -> None:
    if child.pulse is not None:
        child.pulse.close()
        child.pulse = None


def _has_ended(child: Child) -> bool:
    return child.process is None or child.process.poll() is not None


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
