"""Start and end of a process: announcing that it is ready, ending with its parent, limits set before NumPy loads."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from multiprocessing.util import Finalize
from pathlib import Path
from types import FrameType

READY = "LAYERWISE_READY_FD"
PARENT = "LAYERWISE_PARENT_PID"
_LOOK_SECONDS = 0.5
_NICENESS = 15
_AUTOGROUP = Path("/proc/self/autogroup")
_REFUSED_SECONDS = 0.1  # the system changes one session's niceness in this time, unless root asks

# Each BLAS library reads one of these once, when NumPy is loaded.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def end_quietly_on_sigterm() -> None:
    """Make SIGTERM end this process with status 0 while it starts; its server handles the signal later.

    Without a handler, the first process of a container ignores the signal.
    """

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)


def announce_ready(address: str) -> None:
    """Write `address` to the pipe of the supervisor, if there is one, to say that this process is ready."""
    descriptor = os.environ.pop(READY, "")
    if descriptor:
        with os.fdopen(int(descriptor), "w") as pipe:
            pipe.write(f"{address}\n")


def end_with_parent(parent: int | None = None) -> None:
    """End this process, as SIGTERM would, when its parent has ended.

    `parent` is the parent's process id, by default that in the environment. Without one this does nothing.
    """
    expected = parent or int(os.environ.get(PARENT, "0"))
    if not expected:
        return

    def watch() -> None:
        while os.getppid() == expected:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="watch_parent", daemon=True).start()


def name_process(part: str) -> None:
    """Show this process as lw-rest, lw-worker and so on in `top`, and in `ps -o comm`."""
    with suppress(OSError):  # only Linux has this file, which takes 15 characters
        Path("/proc/self/comm").write_text(f"lw-{part}")


def at_end(call: Callable[[], object]) -> None:
    """Call `call` when this process ends, the last one first. Unlike `atexit`, this works in forked processes too."""
    Finalize(None, call, exitpriority=0)


def reap_orphans(own: Collection[int]) -> None:
    """Wait for processes that have ended and are none of `own`, if this is the first process of a container.

    That one is given the processes whose parent ended, and they stay zombies until it has waited for them.
    """
    if os.getpid() != 1:
        return
    with suppress(ChildProcessError):  # there are none
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in own:  # whoever started it waits for it, and the next call sees what is behind it
                return
            os.waitpid(found.si_pid, 0)


def predict_by_numpy() -> None:
    """Let this process predict without Numba, which would take 60 MB of its memory and save 5 µs a request.

    LAYERWISE_KERNELS in the environment overrides that.
    """
    os.environ.setdefault("LAYERWISE_KERNELS", "numpy")


def give_way_to_serving() -> None:
    """Let other processes of the service compute first.

    Where Linux groups processes by session (sched_autogroup_enabled), niceness only counts among those of one session.
    The session itself then needs it, and this process should therefore lead one.
    """
    os.nice(_NICENESS)
    if os.getsid(0) != os.getpid():
        return  # it is a session of other processes too, such as a terminal's
    for _ in range(5):
        try:
            _AUTOGROUP.write_text(str(_NICENESS))
        except BlockingIOError:
            time.sleep(_REFUSED_SECONDS)
        except OSError:
            return  # the system has no such groups
        else:
            return


def make_files_private() -> None:
    """Make new files of this process and its children readable by this user alone."""
    os.umask(0o077)


class AddressInUse(Exception):
    """Another process listens at this address."""


def limit_blas_threads(threads: int) -> None:
    """Set how many threads matrix products use. Must be called before NumPy is loaded."""
    for name in BLAS_THREADS:
        os.environ[name] = str(threads)
