"""The totals of all processes, kept by the process that started them.

Every process reports its counts since its last report, so the totals outlive it. Reports are datagrams on a pair of
sockets that the processes inherit: there is no file that could fill up, be left behind, or be opened by others.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress

import msgspec
import structlog

from layerwise_service.process.counts import COUNTS, LEVELS, OF_VERSIONS, Counts, Series, joined
from layerwise_service.process.lifecycle import at_end
from layerwise_service.process.loops import Loop

log = structlog.get_logger()

SOCKET = "LAYERWISE_COUNTS_FD"
REPORT_SECONDS = 0.25  # so that what any process answers shows soon
LEVEL_SECONDS = 1.0  # how often levels are reported that have not changed
FORGET_SECONDS = 5.0  # after so long without a report, a process has ended, and its levels with it
MOST_VERSIONS = 200
"""Versions with series of their own in /metrics: each takes 70 lines, and Prometheus keeps all of them."""
IDLE_SECONDS = 900.0
"""A version unused for so long may lose its series to another version: Prometheus has read its counts by then."""
OTHER = ("other", "other")
"""Model and version of those that have no series of their own."""

_ANSWER_SECONDS = 2.0
_MOST_BYTES = 65_536  # of a datagram
_SERIES_PER_DATAGRAM = 40  # of at most some 1,000 bytes

_Report = list[tuple[Series, list[float]]]
_DECODER = msgspec.msgpack.Decoder(_Report)


class Totals:
    """Sums by series. Versions beyond `MOST_VERSIONS` are counted together, unless one with a series is idle."""

    def __init__(self) -> None:
        self._totals: dict[Series, list[float]] = {}
        self._levels: dict[Series, tuple[list[float], float]] = {}  # with the time of the report
        self._used: dict[Series, float] = {}  # models and versions, the least recently used first

    def add(self, report: Iterable[tuple[Series, list[float]]]) -> None:
        """Add the counts of a process since its last report."""
        for given, numbers in report:
            if given[0] in LEVELS:
                self._levels[given] = numbers, time.monotonic()
                continue
            series = self._place(given) if given[0] in OF_VERSIONS else given
            known = self._totals.get(series)
            self._totals[series] = numbers if known is None else joined(series, known, numbers)

    def report(self) -> _Report:
        """Return all sums, and the levels of the processes that run."""
        oldest = time.monotonic() - FORGET_SECONDS
        self._levels = {series: found for series, found in self._levels.items() if found[1] >= oldest}
        return [*self._totals.items(), *((series, numbers) for series, (numbers, _) in self._levels.items())]

    def _place(self, series: Series) -> Series:
        """Return the series in which one of a version is counted."""
        now = time.monotonic()
        kind, model, version, *rest = series
        if self._used.pop((model, version), None) is None and len(self._used) >= MOST_VERSIONS:
            oldest, used = next(iter(self._used.items()))
            if now - used < IDLE_SECONDS:
                return (kind, *OTHER, *rest)
            del self._used[oldest]
            for old in [each for each in self._totals if each[0] in OF_VERSIONS and each[1:3] == oldest]:
                del self._totals[old]
        self._used[model, version] = now
        return series


class Gatherer:
    """Keeps the totals of all processes that inherit `socket`, from `start` to `close`."""

    def __init__(self) -> None:
        self.socket, self._own = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._own.settimeout(REPORT_SECONDS)
        self._totals = Totals()
        self._loop = Loop("gather", self._receive, every=0.0)

    def start(self) -> None:
        """Listen in a thread."""
        self._loop.start()

    def close(self) -> None:
        """Stop the thread and close the sockets."""
        with suppress(OSError):
            self.socket.send(msgspec.msgpack.encode([]), socket.MSG_DONTWAIT)  # wakes the thread
        self._loop.stop()
        self._own.close()
        self.socket.close()

    def _receive(self) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._own, _MOST_BYTES, 1)
        except TimeoutError:
            return
        answers = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        try:
            self._totals.add(_DECODER.decode(message))
            for answer in answers:
                answer.settimeout(_ANSWER_SECONDS)
                with suppress(OSError):  # the process that asked is gone
                    answer.sendall(msgspec.msgpack.encode(self._totals.report()))
                    answer.shutdown(socket.SHUT_WR)
        except msgspec.DecodeError as error:  # not from a process of ours; the next datagram is not kept waiting
            log.warning("bad_report", error=str(error))
        finally:
            for answer in answers:
                answer.close()


class Reporter:
    """Reports the counts of this process to the gatherer behind `to`; without one it keeps the totals itself."""

    def __init__(self, to: socket.socket | None, counts: Counts = COUNTS) -> None:
        self._to = to
        self._counts = counts
        self._alone = Totals()
        self._levels: dict[Series, list[float]] = {}  # as they were reported
        self._levels_at = -LEVEL_SECONDS
        self._lock = threading.Lock()  # so that `totals` never runs between taking counts and sending them
        self._loop = Loop("report", self.report, every=REPORT_SECONDS)

    def start(self) -> None:
        """Begin to report a few times a second, and when the process ends."""
        self._loop.start()
        at_end(self.report)

    def report(self, *, patience: float = 0.0) -> None:
        """Report once. If the gatherer does not listen, the counts are kept for the next report."""
        with self._lock:
            taken, levels = list(self._counts.take().items()), self._levels_to_report()
            if self._to is None:
                self._alone.add([*taken, *levels])
                return
            deadline = time.monotonic() + patience
            for start in range(0, len(taken), _SERIES_PER_DATAGRAM):
                part = taken[start : start + _SERIES_PER_DATAGRAM]
                if not _send(self._to, part, [], deadline):
                    self._counts.put_back(taken[start:])
                    return
            for start in range(0, len(levels), _SERIES_PER_DATAGRAM):
                _send(self._to, levels[start : start + _SERIES_PER_DATAGRAM], [], deadline)

    def _levels_to_report(self) -> _Report:
        """Return the levels that have changed, or all once a second; those that are gone are 0."""
        now, levels, before = time.monotonic(), self._counts.levels(), self._levels
        gone = {series: [0.0] * len(numbers) for series, numbers in before.items() if series not in levels}
        if now - self._levels_at >= LEVEL_SECONDS:
            self._levels_at, before = now, {}
        self._levels = levels
        return [(series, numbers) for series, numbers in {**levels, **gone}.items() if before.get(series) != numbers]

    def totals(self) -> _Report | None:
        """Return the totals of all processes, this one's up to now; None if the gatherer does not answer."""
        self.report(patience=_ANSWER_SECONDS)
        if self._to is None:
            return self._alone.report()
        answer, theirs = socket.socketpair()
        with answer:
            with theirs:
                if not _send(self._to, [], [theirs.fileno()], time.monotonic() + _ANSWER_SECONDS):
                    return None
            answer.settimeout(_ANSWER_SECONDS)
            parts: list[bytes] = []
            try:
                while part := answer.recv(_MOST_BYTES):
                    parts.append(part)
                return _DECODER.decode(b"".join(parts))
            except (OSError, msgspec.DecodeError) as error:
                log.warning("no_totals", error=str(error))
                return None


def inherited_socket() -> socket.socket | None:
    """Return the socket for counts that this process inherited, or None."""
    descriptor = os.environ.pop(SOCKET, "")
    if not descriptor:
        return None
    found = socket.socket(fileno=int(descriptor))
    found.set_inheritable(False)
    return found


def _send(to: socket.socket, report: _Report, descriptors: Sequence[int], deadline: float) -> bool:
    """Send a datagram. Return False if there was no room for it before the deadline, or nobody reads."""
    message = msgspec.msgpack.encode(report)
    # Not socket.send_fds: in Python 3.11 it ignores the flags, and would block.
    passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
    while True:
        try:
            to.sendmsg([message], passed, socket.MSG_DONTWAIT)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        except OSError:
            return False
