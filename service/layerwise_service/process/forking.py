"""Processes that are forked from one that has loaded all code: they share its memory, and start within milliseconds.

The process that forks must have no database open: SQLite would take the locks of this process for those of its copy.
Nor may it have called gRPC, which does not survive a fork.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections.abc import Callable, Collection, Mapping
from importlib import import_module

from layerwise_service.process.output import drain_streams

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_CONTEXT = multiprocessing.get_context("fork")


def share_memory(*modules: str) -> None:
    """Load `modules`, which forked processes will then share.

    All objects that exist are left out of garbage collections, which would write to their pages.
    """
    for module in modules:
        import_module(module)
    gc.collect()
    gc.freeze()


class ForkedProcess:
    """A copy of this process, in a session of its own, that runs `run` and ends. It has some of `Popen`'s methods.

    `environment` is added to its environment. Of the open files, it keeps the standard streams and `kept`.
    """

    def __init__(
        self,
        run: Callable[[], object],
        *,
        environment: Mapping[str, str] | None = None,
        kept: Collection[int] = (),
    ) -> None:
        self._process = _CONTEXT.Process(target=_run, args=(run, environment or {}, kept))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the copy has handlers of its own
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, a negative signal, or None while the process runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return `returncode`."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    def wait(self) -> int:
        """Wait for the end, and return `returncode`."""
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _run(run: Callable[[], object], environment: Mapping[str, str], kept: Collection[int]) -> None:
    os.setsid()
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
    os.environ.update(environment)
    try:
        run()
    finally:
        drain_streams()
